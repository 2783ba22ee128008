"""`monitor services`: just the embedded Kafka and Valkey, for someone who develops against them."""

from __future__ import annotations

import signal
import tempfile
import threading
from pathlib import Path

from rich.console import Console

from monitor.embedded.services import EmbeddedServices


def run_services(run_dir: Path | None) -> int:
    """Starts both, prints how to reach them, and waits for Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(prefix="monitor-services-", ignore_cleanup_errors=True) as temporary:
        folder = run_dir or Path(temporary)
        console = Console(highlight=False, soft_wrap=True)
        with EmbeddedServices(run_dir=folder, say=lambda line: console.print(line, style="dim")) as services:
            console.print(f"export MONITOR_KAFKA__BOOTSTRAP_SERVERS={services.kafka_address}")
            console.print(f"export MONITOR_REDIS__URL={services.redis_url}")
            console.print(f"logs and data in {folder}; Ctrl-C stops both", style="dim")
            while not stop.wait(1.0):
                if any(process.poll() is not None for process in services.processes):
                    console.print("a server has ended by itself; its log is in the folder above", style="red")
                    return 1
    return 0

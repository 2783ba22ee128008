"""Where a worker's time goes, by stage of the data path: samples of a running process by py-spy.

Only the thread that holds Python's lock is sampled: the others wait, for it or for the outside, and cost nothing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

_RATE = 200
# By file: the innermost frame that is in one of them says which stage a sample belongs to.
_STAGES = {
    "decode": ("ingest/decode.py", "ingest/entities.py", "ingest/language.py"),
    "novelty": ("ingest/novelty.py", "ingest/sketch.py", "adapters/redis_novelty.py"),
    "classify": ("classify/", "null_worker.py"),
    "publish": ("adapters/kafka_sink.py", "kafka/producer/"),
    "apply": ("trends/buckets.py", "adapters/redis_trends.py"),
    "poll": ("adapters/kafka_source.py", "kafka/consumer/", "kafka/coordinator/"),
    "kafka network": ("kafka/net/", "kafka/client_async.py", "kafka/conn.py"),
    "pipeline": (
        "monitor/pipeline.py",
        "monitor/prefetch.py",
        "monitor/rounds.py",
        "monitor/worker_loop.py",
        "monitor/app.py",
    ),
}


def stage_shares(pid: int, file: Path, seconds: float) -> dict[str, Any]:
    """Samples a process; returns the share of Python's time by stage, largest first, or `error` where it can't be done.

    Args:
        pid: the process.
        file: where py-spy writes.
        seconds: how long.
    """
    program = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if program is None:
        return {"error": "py-spy is not installed"}
    argv = [program, "record", "--format", "raw", "--output", str(file), "--rate", str(_RATE), "--nonblocking", "--gil",
            "--full-filenames", "--duration", str(max(1, round(seconds))), "--pid", str(pid)]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode or not file.is_file():
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"]
        return {"error": f"py-spy can't watch the worker: {lines[-1]}"}
    samples: Counter[str] = Counter()
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        stack, _, count = line.rpartition(" ")
        samples[_stage(stack.split(";"))] += int(count)
    total = sum(samples.values())
    return {"samples": total, "shares": {stage: round(n / total, 3) for stage, n in samples.most_common()}}


def _stage(frames: list[str]) -> str:
    for frame in reversed(frames):
        for stage, files in _STAGES.items():
            if any(file in frame for file in files):
                return stage
    return "other"

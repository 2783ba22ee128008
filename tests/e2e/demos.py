"""Runs of `monitor demo`, as someone at a terminal starts them, and what is left of them afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from monitor.demo.feed import SAMPLE, sample_path

MARK = "DEMO_TEST_MARK"


class Demo:
    """One run of the demo; a context manager that leaves nothing of it.

    Args:
        folder: where its report, its output and its temporary files go.
        arguments: further arguments.
    """

    def __init__(self, folder: Path, arguments: Sequence[str | Path]) -> None:
        self.report_path = folder / "report.json"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        self._mark = uuid.uuid4().hex
        self._output = folder / "output.txt"
        argv = [sys.executable, "-m", "monitor", "demo", "--report", str(self.report_path), *map(str, arguments)]
        # Every process that it starts inherits the mark.
        environment = {**os.environ, MARK: self._mark, "TMPDIR": str(self.temporary)}
        with self._output.open("wb") as stream:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, env=environment, cwd=folder
            )

    @property
    def output(self) -> str:
        """What it has printed."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    @property
    def report(self) -> dict[str, Any]:
        """Its report."""
        report: dict[str, Any] = json.loads(self.report_path.read_text(encoding="utf-8"))
        return report

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def processes(self) -> list[str]:
        """Names and ids of all processes that it started, itself included, and that run now."""
        return sorted(
            f"{each.name()} {each.pid}" for each in psutil.process_iter(["environ", "cwd"]) if self._is_ours(each)
        )

    def signal(self, number: signal.Signals) -> None:
        """Sends it, and nobody else, a signal."""
        self._process.send_signal(number)

    def wait(self, timeout_seconds: float) -> int:
        """Waits for its end; returns the exit code."""
        return self._process.wait(timeout=timeout_seconds)

    def __enter__(self) -> Demo:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.ended:
            self._process.kill()
            self._process.wait()

    def _is_ours(self, process: psutil.Process) -> bool:
        environment, folder = process.info["environ"] or {}, process.info["cwd"] or ""
        # Valkey writes its title over its environment; it works in the demo's folder.
        ours = environment.get(MARK) == self._mark or Path(folder).is_relative_to(self.temporary)
        return ours and process.is_running()


def tiny_feed(folder: Path, alerts: Sequence[dict[str, str]]) -> list[str | Path]:
    """The first documents of the sample, too few to judge anything, and a manifest; returns the demo's arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    feed, manifest = folder / "tiny.jsonl", folder / "tiny.manifest.json"
    lines = sample_path(SAMPLE).read_text(encoding="utf-8").splitlines(keepends=True)
    feed.write_text("".join(lines[:200]), encoding="utf-8")
    manifest.write_text(json.dumps({"alerts": list(alerts)}), encoding="utf-8")
    return ["--feed", feed, "--expect", manifest, "--live-seconds", "5"]

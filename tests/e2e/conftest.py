"""The one run of the demo on the bundled sample that several tests look at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from monitor.demo.feed import SAMPLE_MANIFEST, sample_path
from tests.e2e.demos import Demo

_LONGEST_SECONDS = 280.0


@dataclass(frozen=True, slots=True)
class SampleRun:
    """What the run left: its report, all it printed, and the manifest it was held against."""

    exit_code: int
    report: dict[str, Any]
    output: str
    manifest: dict[str, Any]
    left_processes: list[str]
    left_files: list[str]


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> SampleRun:
    """Runs the demo as the README says, once a session."""
    with Demo(tmp_path_factory.mktemp("sample"), ["--exit-when-done"]) as demo:
        exit_code = demo.wait(_LONGEST_SECONDS)
        assert demo.report_path.exists(), demo.output
        left = demo.processes()
        # Not torch's: it leaves an empty folder for its compiler wherever it is imported.
        files = [str(path) for path in demo.temporary.glob("monitor-*")]
        manifest = json.loads(sample_path(SAMPLE_MANIFEST).read_text(encoding="utf-8"))
        return SampleRun(exit_code, demo.report, demo.output, manifest, left, files)

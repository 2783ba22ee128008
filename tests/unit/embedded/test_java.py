"""Which Java runs the broker, and what it is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monitor.embedded.java import find_java, java_environment
from monitor.errors import ConfigError


def test_packaged_java_is_new_enough_whatever_path_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With nothing on PATH and no JAVA_HOME there is a Java of at least 17."""
    monkeypatch.delenv("MONITOR_JAVA", raising=False)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    asked = subprocess.run([find_java(), "-version"], capture_output=True, text=True, check=True)
    assert int(asked.stderr.split('"')[1].split(".")[0]) >= 17


def test_monitor_java_is_taken_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    """MONITOR_JAVA names the program to run."""
    monkeypatch.setenv("MONITOR_JAVA", sys.executable)
    assert find_java() == sys.executable


def test_monitor_java_that_names_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A wrong MONITOR_JAVA is told, not passed over."""
    monkeypatch.setenv("MONITOR_JAVA", str(tmp_path / "java"))
    with pytest.raises(ConfigError, match="MONITOR_JAVA"):
        find_java()


def test_jvm_takes_no_options_from_outside() -> None:
    """Variables that would change the heap or the class path are dropped, others kept."""
    outside = {"_JAVA_OPTIONS": "-Xmx8g", "JAVA_TOOL_OPTIONS": "-x", "CLASSPATH": "theirs", "LANG": "C", "TZ": "UTC"}
    inside = java_environment(outside, "ours")
    assert inside == {"LANG": "C", "TZ": "UTC", "LC_ALL": "C.UTF-8", "CLASSPATH": "ours"}

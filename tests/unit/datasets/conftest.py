"""Data files for tests, each in a folder of its own, so that a law may write as many as it likes."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest


class Write(Protocol):
    """Writes a data file and returns its path; text is written as UTF-8."""

    def __call__(self, name: str, content: str | bytes) -> Path:
        """Returns the path."""


@pytest.fixture(scope="session")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Writes files into the folder "set"."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path_factory.mktemp("data") / "set" / name
        path.parent.mkdir()
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file

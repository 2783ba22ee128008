"""The ledger of exported documents, beside a label set: what a person was asked about is not asked again.

One JSON object a line, only ever added to; a document that was skipped stays in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from monitor.errors import ConfigError
from pipelines.datasets.reading import json_lines, shown

FILE = "exported.jsonl"


@dataclass(frozen=True, slots=True)
class Exported:
    """A document that was put before a person: its id, story and text, the strategy, and when (ISO 8601)."""

    document_id: str
    story: str
    text: str
    strategy: str
    exported_at: str


def read_ledger(folder: Path) -> list[Exported]:
    """Reads a label set's ledger; empty where there is none.

    Raises:
        ConfigError: a line is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return []
    found = []
    for place, line in json_lines(path):
        try:
            entry = Exported(**line)  # type: ignore[arg-type]
        except TypeError as exc:
            raise place.error(f"{shown(line)} is no entry of the ledger: {exc}") from exc
        found.append(entry)
    return found


def add_to_ledger(folder: Path, entries: Sequence[Exported]) -> None:
    """Adds entries, in one write.

    Raises:
        ConfigError: the folder can't be written to.
    """
    lines = "".join(json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / FILE).open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(lines)
    except OSError as exc:
        raise ConfigError(f"{folder / FILE}: can't be written: {exc.strerror or exc}") from exc

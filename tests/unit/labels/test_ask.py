"""Laws of asking people: never twice, never about what is held out, the same for the same input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitor.errors import ConfigError
from monitor.messages import ScoredDocument
from pipelines.labels.ask import ExportOptions, ExportSummary, export_tasks
from pipelines.labels.evaluation import fix_evaluation
from pipelines.labels.ledger import read_ledger
from pipelines.labels.take_in import ImportOptions, import_answers
from tests.fakes import ManualClock
from tests.unit.labels.written import TOPICS, exported, headline, said, task, told

DOCUMENTS = [
    told(f"d-{i}", headline(i), (0.4 + i / 100, 0.35, 0.25 - i / 100), topic_probability=0.9) for i in range(20)
]


def ask(
    folder: Path, documents: list[ScoredDocument] = DOCUMENTS, limit: int = 5, name: str = "tasks.json"
) -> ExportSummary:
    """Exports tasks by margin."""
    options = ExportOptions(folder / name, folder / "set", limit, ("margin", "disagreement"))
    return export_tasks(options, documents, [], ManualClock())


def tasks_in(path: Path) -> list[dict[str, Any]]:
    """The data of a file's tasks."""
    return [one["data"] for one in json.loads(path.read_text(encoding="utf-8"))]


def test_the_same_input_gives_the_same_tasks(tmp_path: Path) -> None:
    """In whatever order the documents come."""
    for name, documents in (("a", DOCUMENTS), ("b", DOCUMENTS[::-1])):
        (tmp_path / name).mkdir()
        ask(tmp_path / name, documents)
    assert (tmp_path / "a" / "tasks.json").read_bytes() == (tmp_path / "b" / "tasks.json").read_bytes()


def test_nobody_is_asked_twice(tmp_path: Path) -> None:
    """Neither about a document nor about a copy of it that came later; in the end nothing is left to ask."""
    asked: set[str] = set()
    documents = [*DOCUMENTS, *(told(f"copy-{i}", f"UPDATE 1-{headline(i)}", of=f"d-{i}") for i in range(20))]
    for round_ in range(4):
        assert sum(ask(tmp_path, documents, name=f"{round_}.json").tasks.values()) == 5
        texts = {headline_of(data["text"]) for data in tasks_in(tmp_path / f"{round_}.json")}
        assert len(texts) == 5
        assert not texts & asked
        asked |= texts
    summary = ask(tmp_path, documents, name="last.json")
    assert (sum(summary.tasks.values()), summary.scored, summary.closed) == (0, 40, 40)
    assert not (tmp_path / "last.json").exists()


def headline_of(text: str) -> str:
    """The headline that a copy repeats."""
    return text.removeprefix("UPDATE 1-")


def test_the_ledger_remembers_what_was_asked_and_when(tmp_path: Path) -> None:
    """Beside the set, whether or not it has a version yet."""
    ask(tmp_path, limit=2)
    entries = read_ledger(tmp_path / "set")
    assert [entry.document_id for entry in entries] == [
        data["document_id"] for data in tasks_in(tmp_path / "tasks.json")
    ]
    assert {(entry.strategy, entry.exported_at) for entry in entries} == {("margin", "2026-03-04T12:00:00Z")}


def test_what_was_answered_is_not_asked(tmp_path: Path) -> None:
    """Also where another machine has exported it and only the answers came here."""
    answers = exported(tmp_path / "answers.json", [task(i, said()) for i in range(18)])
    import_answers(ImportOptions(answers, tmp_path / "set", TOPICS), ManualClock())
    ask(tmp_path)
    assert {data["document_id"] for data in tasks_in(tmp_path / "tasks.json")} == {"d-18", "d-19"}


def test_nothing_like_an_evaluation_text_is_asked(tmp_path: Path) -> None:
    """Its answer would be refused."""
    held = tmp_path / "held.csv"
    held.write_text("text,label\n" + "".join(f"BREAKING: {headline(i)},neutral\n" for i in range(19)))
    fix_evaluation(tmp_path / "set", held)
    ask(tmp_path)
    assert [data["document_id"] for data in tasks_in(tmp_path / "tasks.json")] == ["d-19"]


def test_tasks_are_never_written_over(tmp_path: Path) -> None:
    """They are in the ledger and would not come again."""
    ask(tmp_path)
    before = (tmp_path / "tasks.json").read_bytes(), len(read_ledger(tmp_path / "set"))
    with pytest.raises(ConfigError, match=r"tasks\.json: is there already"):
        ask(tmp_path)
    assert ((tmp_path / "tasks.json").read_bytes(), len(read_ledger(tmp_path / "set"))) == before


def test_what_cannot_be_written_is_not_in_the_ledger(tmp_path: Path) -> None:
    """Otherwise it would be lost."""
    with pytest.raises(ConfigError, match="can't be written"):
        ask(tmp_path, name="none/tasks.json")
    assert read_ledger(tmp_path / "set") == []


@pytest.mark.parametrize("line", ["5", '{"document_id": "a"}', "{"])
def test_a_damaged_ledger_is_named(tmp_path: Path, line: str) -> None:
    """File and line; it isn't taken for an empty one."""
    ask(tmp_path)
    with (tmp_path / "set" / "exported.jsonl").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(ConfigError, match=r"exported\.jsonl, line 6: "):
        ask(tmp_path, name="other.json")

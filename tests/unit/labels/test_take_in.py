"""Laws of taking answers into a label set."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from pipelines.labels.answers import OnConflict
from pipelines.labels.evaluation import fix_evaluation
from pipelines.labels.label_set import answers_in, load_label_set, read_manifest
from pipelines.labels.take_in import ImportOptions, ImportSummary, import_answers
from tests.fakes import ManualClock
from tests.unit.labels.written import TOPICS, exported, headline, said, task

EARLY, LATE = "2026-03-05T09:00:00Z", "2026-03-06T09:00:00Z"


def take_in(
    folder: Path, tasks: Sequence[dict[str, Any]], on_conflict: OnConflict = "error", evaluation: tuple[Path, ...] = ()
) -> ImportSummary:
    """Imports an export of these tasks into the folder's set."""
    path = exported(folder / "answers.json", tasks)
    options = ImportOptions(path, folder / "set", TOPICS, on_conflict=on_conflict, evaluation=evaluation)
    return import_answers(options, ManualClock())


def labels(folder: Path) -> dict[str, str | None]:
    """The sentiment of each text of the newest version."""
    return {one.text: one.sentiment for one in load_label_set(folder / "set")}


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of the set."""
    return {str(path): path.read_bytes() for path in sorted((folder / "set").rglob("*")) if path.is_file()}


def test_answers_become_the_next_version(tmp_path: Path) -> None:
    """Earlier ones stay in it; what was imported, when and from what stands in the manifest."""
    take_in(tmp_path, [task(1, said()), task(2, said(skipped=True)), task(3)])
    summary = take_in(tmp_path, [task(4, said("positive"))])
    assert (summary.added, summary.changed) == (1, 0)
    assert labels(tmp_path) == {headline(1): "negative", headline(4): "positive"}
    first, second = read_manifest(tmp_path / "set").versions
    assert (second.parent, second.rows, second.added) == (first.file, 2, 1)
    assert (second.created, second.source.file) == ("2026-03-04T12:00:00Z", "answers.json")


def test_the_same_answers_again_add_nothing(tmp_path: Path) -> None:
    """Not a byte of the set changes, also where the export has grown by tasks that nobody has answered."""
    tasks = [task(i, said()) for i in range(5)]
    take_in(tmp_path, tasks)
    before = snapshot(tmp_path)
    summary = take_in(tmp_path, [*tasks, task(9)])
    assert (summary.version, summary.known, summary.unanswered) == (None, 5, 1)
    assert snapshot(tmp_path) == before


def test_a_file_of_nothing_but_skipped_tasks_makes_no_version(tmp_path: Path) -> None:
    """It is counted."""
    summary = take_in(tmp_path, [task(1, said(skipped=True))])
    assert (summary.version, summary.skipped) == (None, 1)
    assert snapshot(tmp_path) == {}


@given(order=st.permutations(range(3)))
def test_of_answers_to_a_document_the_latest_stands(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    """Whatever order the files come in; what is older is counted as outdated."""
    folder = tmp_path_factory.mktemp("import")
    answers = [("negative", EARLY), ("neutral", LATE), ("positive", "2026-03-07T09:00:00Z")]
    fates = [take_in(folder, [task(1, said(answers[i][0], at=answers[i][1]))]) for i in order]
    assert labels(folder) == {headline(1): "positive"}
    assert sum(fate.outdated for fate in fates) == 3 - len(read_manifest(folder / "set").versions)


@given(order=st.permutations(range(4)))
def test_an_answer_takes_nothing_away_that_it_does_not_speak_of(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    """Of each task the latest label stands with its time, and who gave it is told, whatever order the files come in."""
    folder = tmp_path_factory.mktemp("import")
    answers = [
        said("positive", "Earnings", who={"email": "ann"}, at="2026-03-05T09:00:00Z"),
        said(None, TOPICS[1], who={"email": "bob"}, at="2026-03-06T09:00:00Z"),
        said("neutral", None, who={"email": "cyd"}, at="2026-03-07T09:00:00Z"),
        said("negative", None, who={"email": "dan"}, at="2026-03-08T09:00:00Z"),
    ]
    for i in order:
        take_in(folder, [task(1, answers[i])])
    (row,) = answers_in(folder / "set", read_manifest(folder / "set"))
    assert (row.sentiment, row.topic) == ("negative", TOPICS[1])
    assert {"bob", "dan"} <= set(row.annotator.split("; "))
    assert (row.time_of("sentiment")[:10], row.time_of("topic")[:10]) == ("2026-03-08", "2026-03-06")


def test_labels_go_with_the_text_that_they_were_given_for(tmp_path: Path) -> None:
    """Where a document's text was changed, its row is the later answer, whole."""
    take_in(tmp_path, [task(1, said(at=EARLY))])
    take_in(tmp_path, [task(1, said("neutral", None, at=LATE), text=headline(2))])
    (row,) = answers_in(tmp_path / "set", read_manifest(tmp_path / "set"))
    assert (row.text, row.sentiment, row.topic) == (headline(2), "neutral", None)


def test_a_text_has_one_label_under_any_document(tmp_path: Path) -> None:
    """A new answer that contradicts the row of another document with that text is an error, or left out and counted."""
    take_in(tmp_path, [task(1, said(at=EARLY))])
    other = task(2, said("neutral", at=LATE), text=headline(1))
    with pytest.raises(
        ConfigError, match=r"task 2: contradicts set/v0001\.csv, row 2, another document with the same text"
    ):
        take_in(tmp_path, [other])
    found = take_in(tmp_path, [other, task(3, said())], "skip")
    assert (found.added, found.contradicted) == (1, 1)
    assert labels(tmp_path) == {headline(1): "negative", headline(3): "negative"}
    assert take_in(tmp_path, [task(1, said("neutral", at=LATE)), other]).changed == 1


def test_documents_with_one_text_are_corrected_together(tmp_path: Path) -> None:
    """One of them by itself would contradict the other."""
    take_in(tmp_path, [task(1, said(at=EARLY)), task(2, said(at=EARLY), text=headline(1))])
    right = [task(1, said("neutral", at=LATE)), task(2, said("neutral", at=LATE), text=headline(1))]
    with pytest.raises(ConfigError, match="another document with the same text"):
        take_in(tmp_path, right[:1])
    assert take_in(tmp_path, right[:1], "majority").contradicted == 1
    assert take_in(tmp_path, right).changed == 2
    assert labels(tmp_path) == {headline(1): "neutral"}


def test_an_answer_that_repeats_an_evaluation_text_is_counted_once(tmp_path: Path) -> None:
    """Though it stands among the answers and in the version that would be made of them."""
    with pytest.raises(ConfigError, match=r"near-duplicates of held-out ones: 1; the first: .*task 1"):
        take_in(tmp_path, [task(1, said())], evaluation=(evaluation_file(tmp_path, headline(1)),))


def test_an_answer_that_changes_no_label_adds_nothing(tmp_path: Path) -> None:
    """Somebody else saying the same later is no reason for another version."""
    take_in(tmp_path, [task(1, said(at=EARLY))])
    assert take_in(tmp_path, [task(1, said(who=2, at=LATE))]).version is None


def test_earlier_versions_stay_as_they_are(tmp_path: Path) -> None:
    """A later answer wins in the next version."""
    take_in(tmp_path, [task(1, said(at=EARLY))])
    before = (tmp_path / "set" / "v0001.csv").read_bytes()
    assert take_in(tmp_path, [task(1, said("neutral", at=LATE))]).changed == 1
    assert (tmp_path / "set" / "v0001.csv").read_bytes() == before


def test_a_contradiction_at_the_same_time_is_one_across_files_too(tmp_path: Path) -> None:
    """Nothing says which of them is later: an error, or counted, and what was there stays."""
    take_in(tmp_path, [task(1, said(at=EARLY))])
    with pytest.raises(ConfigError, match=r"task 1: contradicts set/v0001\.csv, row 2, answered at the same time"):
        take_in(tmp_path, [task(1, said("neutral", who=2, at=EARLY))])
    assert take_in(tmp_path, [task(1, said("neutral", who=2, at=EARLY))], "majority").contradicted == 1
    assert labels(tmp_path) == {headline(1): "negative"}


def test_annotators_who_contradict_each_other_stop_the_import(tmp_path: Path) -> None:
    """Unless something else is asked for; what is left out is counted."""
    tasks = [task(1, said(who=1), said("neutral", who=2)), task(2, said())]
    with pytest.raises(ConfigError, match="task 1: annotators contradict each other"):
        take_in(tmp_path, tasks)
    assert snapshot(tmp_path) == {}
    summary = take_in(tmp_path, tasks, "skip")
    assert (summary.added, summary.contradicted) == (1, 1)


def evaluation_file(folder: Path, text: str) -> Path:
    """A file with one evaluation text."""
    path = folder / "held.csv"
    path.write_text(f"text,label\n{text},neutral\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed in the set", "named on the command line"])
def test_what_repeats_an_evaluation_text_never_enters(tmp_path: Path, fixed: bool) -> None:
    """The error names both, and nothing of the file is imported."""
    path = evaluation_file(tmp_path, f"UPDATE 1-{headline(3)}")
    if fixed:
        fix_evaluation(tmp_path / "set", path)
    before = snapshot(tmp_path)
    with pytest.raises(ConfigError) as caught:
        take_in(tmp_path, [task(i, said()) for i in range(5)], evaluation=() if fixed else (path,))
    assert "answers.json: nothing is imported" in str(caught.value)
    assert "answers.json, task 3: 'Profit at" in str(caught.value)
    assert "held.csv, row 2: 'UPDATE 1-Profit at" in str(caught.value)
    assert snapshot(tmp_path) == before


def test_an_evaluation_text_is_refused_even_where_it_would_change_nothing(tmp_path: Path) -> None:
    """What is known or outdated may not repeat one either: somebody is training on it."""
    take_in(tmp_path, [task(1, said())])
    with pytest.raises(ConfigError, match="nothing is imported"):
        take_in(tmp_path, [task(1, said())], evaluation=(evaluation_file(tmp_path, headline(1)),))


def test_doccanos_files_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    """An older export doesn't undo a newer one, and the same one later adds nothing."""

    def doccano(name: str, sentiment: str, seconds: int) -> ImportSummary:
        path = tmp_path / name
        path.write_text(json.dumps({"text": headline(1), "label": [sentiment], "document_id": "d-1"}))
        os.utime(path, (seconds, seconds))
        return import_answers(ImportOptions(path, tmp_path / "set", TOPICS), ManualClock())

    assert doccano("ann.jsonl", "negative", 1_772_700_000).added == 1
    assert doccano("ann.jsonl", "negative", 1_772_700_500).known == 1
    assert doccano("bob.jsonl", "neutral", 1_772_701_000).changed == 1
    assert doccano("ann.jsonl", "negative", 1_772_700_000).outdated == 1
    assert labels(tmp_path) == {headline(1): "neutral"}

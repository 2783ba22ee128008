"""Laws of finding what must never be trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import ConfigError
from pipelines.labels.evaluation import evaluation_texts_under, fix_evaluation
from tests.unit.labels.written import headline


def fixed(folder: Path, number: int) -> None:
    """A label set in which one evaluation text is fixed, and which has no version yet."""
    path = folder.parent / f"held{number}.csv"
    path.write_text(f"text,label\n{headline(number)},neutral\n", encoding="utf-8")
    fix_evaluation(folder, path)


def test_the_evaluation_texts_of_all_sets_under_a_folder_are_found(tmp_path: Path) -> None:
    """However deep they lie; the folder may be a set itself, and other programs have manifests too."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    fixed(tmp_path / "a" / "b" / "set", 1)
    fixed(tmp_path / "other", 2)
    for name, content in (("web", '{"name": "app", "icons": []}'), ("list", "[]"), ("broken", "{")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(content)
    assert {one.text for one in evaluation_texts_under(tmp_path)} == {headline(1), headline(2)}
    assert [one.text for one in evaluation_texts_under(tmp_path / "other")] == [headline(2)]
    assert evaluation_texts_under(tmp_path / "web") == evaluation_texts_under(tmp_path / "no folder") == []


@pytest.mark.parametrize("file", ["manifest.json", "evaluation/held1.csv"])
def test_a_set_that_was_damaged_is_no_reason_to_train(tmp_path: Path, file: str) -> None:
    """What its evaluation texts are isn't known any more."""
    fixed(tmp_path / "set", 1)
    (tmp_path / "set" / file).write_text("{")
    with pytest.raises(ConfigError, match=file.rpartition("/")[2]):
        evaluation_texts_under(tmp_path)

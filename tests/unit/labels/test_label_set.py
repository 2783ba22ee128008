"""Laws of a versioned label set."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import Example
from pipelines.datasets.load import sha256_of
from pipelines.labels.answers import Answer
from pipelines.labels.evaluation import check_evaluation, fix_evaluation
from pipelines.labels.label_set import Manifest, Source, add_version, answers_in, load_label_set, read_manifest
from tests.unit.labels.written import TOPICS, headline

SOURCE = Source(file="answers.json", sha256="0" * 64, format="label_studio")
CREATED = "2026-03-05T12:00:00Z"


def answer(number: int, sentiment: str | None = "negative") -> Answer:
    """An answer about the headline of that number."""
    return Answer(f"d-{number}", headline(number), sentiment, "Earnings", "ann", "2026-03-05T09:00:00.000Z")


def add(folder: Path, *rows: Answer) -> Manifest:
    """Adds a version of these rows; returns the manifest."""
    add_version(folder, read_manifest(folder), rows, SOURCE, CREATED, len(rows), 0)
    return read_manifest(folder)


def held(path: Path, *numbers: int) -> Path:
    """An evaluation file of the headlines of some numbers."""
    rows = "".join(f"{headline(number)},neutral,Earnings\n" for number in numbers)
    path.write_text(f"text,sentiment,topic\n{rows}", encoding="utf-8")
    return path


CHARACTERS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
ANSWERS = st.lists(
    st.builds(
        Answer,
        document_id=CHARACTERS.filter(str.strip),
        text=CHARACTERS.map(clean_text).filter(bool),
        sentiment=st.sampled_from(["negative", "neutral", "positive"]),
        topic=st.sampled_from([*TOPICS, None]),
        annotator=CHARACTERS.map(clean_text),
        answered_at=st.just("2026-03-05T09:00:00.000Z"),
        topic_at=st.sampled_from(["", "2026-03-04T09:00:00.000Z"]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one.document_id,
)


@given(rows=ANSWERS)
def test_what_was_answered_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Answer]) -> None:
    """By the set itself and as training data, in the order of the documents, whatever stands in ids and texts."""
    folder = tmp_path_factory.mktemp("set")
    manifest = add(folder, *rows)
    expected = sorted(rows, key=lambda row: row.document_id)
    back = answers_in(folder, manifest)
    assert [(*row.__getstate__()[:-1],) for row in back] == [(*row.__getstate__()[:-1],) for row in expected]  # type: ignore[index]
    labels = [(one.text, one.sentiment, one.topic) for one in load_label_set(folder)]
    assert labels == [(row.text, row.sentiment, row.topic) for row in expected]


def test_a_version_is_whole_and_says_where_it_comes_from(tmp_path: Path) -> None:
    """Counts, parent, source and checksum are in the manifest; the columns are those of labelled_csv and the answer's."""
    add(tmp_path, answer(1))
    manifest = add(tmp_path, answer(1), answer(2, "positive"), answer(3, None))
    first, second = manifest.versions
    assert (first.file, first.parent) == ("v0001.csv", None)
    assert (second.file, second.parent, second.rows) == ("v0002.csv", "v0001.csv", 3)
    assert (second.sentiment, second.topic) == ({"negative": 1, "positive": 1}, {"Earnings": 3})
    with (tmp_path / "v0002.csv").open(newline="", encoding="utf-8") as stream:
        columns = next(csv.reader(stream))
    assert columns[:6] == ["text", "sentiment", "topic", "document_id", "annotator", "answered_at"]
    assert columns[6:] == ["sentiment_at", "topic_at"]
    assert len(load_label_set(tmp_path)) == 3


def test_a_version_without_times_of_labels_is_read(tmp_path: Path) -> None:
    """As they were written before labels had times of their own: both are of the answer's."""
    text = (
        f"text,sentiment,topic,document_id,annotator,answered_at\n{headline(1)},negative,Earnings,d-1,ann,2026-03-05\n"
    )
    (tmp_path / "v0001.csv").write_text(text, encoding="utf-8")
    manifest = add(tmp_path / "new", answer(1))
    version = manifest.versions[0].model_copy(update={"sha256": sha256_of(tmp_path / "v0001.csv")})
    (found,) = answers_in(tmp_path, Manifest(versions=(version,)))
    assert (found.time_of("sentiment"), found.time_of("topic")) == ("2026-03-05", "2026-03-05")


def test_the_newest_version_is_loaded_by_folder_or_manifest(tmp_path: Path) -> None:
    """With the set's name as its source, and places that name the file."""
    folder = tmp_path / "analysts"
    add(folder, answer(1))
    add(folder, answer(1), answer(2))
    by_folder, by_manifest = load_label_set(folder), load_label_set(folder / "manifest.json")
    assert by_folder == by_manifest
    assert [(one.source, one.place) for one in by_folder][1] == ("analysts", "analysts/v0002.csv, row 3")


def test_a_version_that_was_changed_is_refused(tmp_path: Path) -> None:
    """One letter is enough; so is its absence."""
    add(tmp_path, answer(1))
    path = tmp_path / "v0001.csv"
    path.write_text(path.read_text().replace("negative", "positive"))
    with pytest.raises(ConfigError, match=r"v0001\.csv: has been changed"):
        load_label_set(tmp_path)
    path.unlink()
    with pytest.raises(ConfigError, match=r"v0001\.csv: missing, and the manifest names it"):
        load_label_set(tmp_path)


def test_a_version_is_never_written_again(tmp_path: Path) -> None:
    """Two who write the next version at once: the second is told, and nothing of the first is lost."""
    manifest = read_manifest(tmp_path)
    add(tmp_path, answer(1))
    before = (tmp_path / "v0001.csv").read_bytes()
    with pytest.raises(ConfigError, match=r"v0001\.csv: is there, and the manifest doesn't name it"):
        add_version(tmp_path, manifest, [answer(2)], SOURCE, CREATED, 1, 0)
    assert (tmp_path / "v0001.csv").read_bytes() == before
    assert len(load_label_set(tmp_path)) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", r"manifest\.json: manifest: Invalid JSON"),
        ('{"versions": [{"file": "v0001.csv"}]}', r"manifest\.json: versions\.0\.sha256: Field required"),
        ('{"version": []}', r"manifest\.json: version: Extra inputs"),
        ("", "the file is empty"),
    ],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, content: str, said: str) -> None:
    """File and key."""
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ConfigError, match=said):
        load_label_set(tmp_path)


def test_a_folder_that_is_no_set_is_named(tmp_path: Path) -> None:
    """It isn't read as an empty training set."""
    with pytest.raises(ConfigError, match="nowhere: no label set with a version"):
        load_label_set(tmp_path / "nowhere")


def test_evaluation_files_are_kept_as_copies(tmp_path: Path) -> None:
    """What happens to the original changes nothing; fixing it again neither."""
    folder, path = tmp_path / "set", held(tmp_path / "held.csv", 7, 8)
    record = fix_evaluation(folder, path)
    assert (record.file, record.kind, record.rows) == ("evaluation/held.csv", "labelled_csv", 2)
    assert fix_evaluation(folder, path) == record
    path.unlink()
    add(folder, answer(1))
    assert len(load_label_set(folder)) == 1
    assert len(read_manifest(folder).evaluation) == 1


def test_another_file_cannot_take_the_place_of_an_evaluation_file(tmp_path: Path) -> None:
    """Fixed is fixed."""
    fix_evaluation(tmp_path / "set", held(tmp_path / "held.csv", 7))
    with pytest.raises(ConfigError, match=r"another held\.csv is fixed already"):
        fix_evaluation(tmp_path / "set", held(tmp_path / "held.csv", 8))


def test_evaluation_texts_that_are_in_the_set_cannot_be_fixed(tmp_path: Path) -> None:
    """Both places are named, and nothing is fixed."""
    folder = tmp_path / "set"
    add(folder, answer(1))
    with pytest.raises(ConfigError, match=r"can't be fixed .*v0001\.csv, row 2: .* repeats .*held\.csv, row 2"):
        fix_evaluation(folder, held(tmp_path / "held.csv", 1))
    assert read_manifest(folder).evaluation == ()


def test_loading_checks_the_evaluation_files_again(tmp_path: Path) -> None:
    """A version that repeats one, however it came there, is not trained on; nor where the copy was changed."""
    folder = tmp_path / "set"
    fix_evaluation(folder, held(tmp_path / "held.csv", 1))
    add(folder, answer(1))
    with pytest.raises(ConfigError, match=r"v0001\.csv, row 2: .* repeats evaluation/held\.csv, row 2"):
        load_label_set(folder)
    held(folder / "evaluation" / "held.csv", 2)
    with pytest.raises(ConfigError, match=r"held\.csv: has been changed"):
        load_label_set(folder)


def test_rows_of_any_file_may_not_repeat_an_evaluation_text_of_a_label_set(tmp_path: Path) -> None:
    """Of any of the sets, by folder or manifest; row and text are named, and a set that isn't there is no set."""
    one, other = tmp_path / "one", tmp_path / "other"
    fix_evaluation(one, held(tmp_path / "held.csv", 7))
    add(other, answer(1))
    rows = [Example(headline(number), "neutral", place=f"news.csv, row {number}") for number in (7, 8)]
    check_evaluation(rows[1:], [one, other])
    check_evaluation(rows, [other])
    for path in (one, one / "manifest.json"):
        with pytest.raises(ConfigError, match=r"one: .*news\.csv, row 7: .* repeats evaluation/held\.csv, row 2"):
            check_evaluation(rows, [other, path])
    with pytest.raises(ConfigError, match="nowhere: no label set"):
        check_evaluation(rows, [tmp_path / "nowhere"])


def test_the_manifest_is_json_that_a_person_can_read(tmp_path: Path) -> None:
    """A line per key."""
    add(tmp_path, answer(1))
    text = (tmp_path / "manifest.json").read_text()
    assert json.loads(text)["versions"][0]["source"]["file"] == "answers.json"
    assert text.count("\n") > 10

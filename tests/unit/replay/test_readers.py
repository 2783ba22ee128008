"""Laws of reading feed files into rows."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import ConfigError
from pipelines.replay.readers import FeedFile, Reject, Row, columns_of, rows_of


def written(path: Path, text: str | bytes) -> FeedFile:
    """A feed with that content."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return FeedFile(path)


def values(feed: FeedFile) -> list[dict[str, object]]:
    """The values of all rows, none of which may be rejected."""
    rows = list(rows_of(feed))
    assert all(isinstance(row, Row) for row in rows), rows
    return [dict(row.values) for row in rows if isinstance(row, Row)]


def read_all(feed: FeedFile) -> tuple[tuple[str, ...], list[Row | Reject]]:
    """Columns and rows, as a replay reads them."""
    return columns_of(feed), list(rows_of(feed))


def test_plain_and_gzipped_files_read_the_same(tmp_path: Path) -> None:
    """Gzip is recognised by content, under any name."""
    text = "title,date\nA,2020-01-01\n"
    plain = written(tmp_path / "a.csv", text)
    for name in ("b.csv.gz", "c.csv"):
        packed = written(tmp_path / name, gzip.compress(text.encode()))
        assert values(packed) == values(plain) == [{"title": "A", "date": "2020-01-01"}]


def test_headerless_columns_are_numbered_from_one(tmp_path: Path) -> None:
    """The first row is data, and its cells are columns 1, 2, ..."""
    path = tmp_path / "feed.csv"
    path.write_text('\n2020-07-18,"Shares fall, again"\n')
    feed = FeedFile(path, header=False)
    assert columns_of(feed) == ("1", "2")
    assert list(rows_of(feed)) == [Row(1, 2, 2, {"1": "2020-07-18", "2": "Shares fall, again"})]


def test_a_row_of_another_width_is_rejected_whole(tmp_path: Path) -> None:
    """An unquoted comma must not cut a headline short in silence."""
    feed = written(tmp_path / "feed.csv", "date,title\n2020-07-18,Shares fall, again\n2020-07-19,Shares rise\n")
    rejected, row = rows_of(feed)
    assert rejected == Reject(
        1, 2, 2, "column_count", "3 cells in a file of 2 columns", "2020-07-18,Shares fall, again\n"
    )
    assert isinstance(row, Row)
    assert row.number == 2


def test_a_quote_that_never_closes_is_rejected_with_the_lines_it_swallowed(tmp_path: Path) -> None:
    """Lines that a broken quote joins are reported as a range, not lost."""
    feed = written(tmp_path / "feed.csv", 'title,date\nA,1\n"B,2\nC,3\n')
    first, broken = rows_of(feed)
    assert isinstance(first, Row)
    assert isinstance(broken, Reject)
    assert (broken.reason, broken.line, broken.last_line, broken.row) == ("bad_csv", 3, 4, '"B,2\nC,3\n')


def test_reading_goes_on_after_a_broken_row(tmp_path: Path) -> None:
    """One bad row costs itself only."""
    feed = written(tmp_path / "feed.csv", 'title,date\n"A"x,1\nB,2\n')
    broken, row = rows_of(feed)
    assert isinstance(broken, Reject)
    assert isinstance(row, Row)
    assert row.values["title"] == "B"


def test_json_lines_that_are_no_objects_are_rejected_by_reason(tmp_path: Path) -> None:
    """Rows count from 1 and blank lines are no rows."""
    feed = written(tmp_path / "feed.jsonl", '{"title": "A"}\n\nnonsense\n[1]\n{"text": "B"}\n')
    found = [(item.number, item.line, item.reason if isinstance(item, Reject) else "") for item in rows_of(feed)]
    assert found == [(1, 1, ""), (2, 3, "not_json"), (3, 4, "not_object"), (4, 5, "")]
    assert columns_of(feed) == ("title", "text")


def test_a_bom_and_other_encodings_are_read(tmp_path: Path) -> None:
    """Spreadsheets write a byte-order mark; Chinese archives come in GB 18030."""
    assert columns_of(written(tmp_path / "bom.csv", "\ufefftitle,date\n")) == ("title", "date")
    path = tmp_path / "zh.csv"
    path.write_bytes("title,date\n股市下跌,2020\n".encode("gb18030"))
    assert values(FeedFile(path, encoding="gb18030")) == [{"title": "股市下跌", "date": "2020"}]


def test_tabs_separate_a_tsv(tmp_path: Path) -> None:
    """The delimiter follows the name unless it is given."""
    assert columns_of(written(tmp_path / "a.tsv", "title\tdate\n")) == ("title", "date")
    path = tmp_path / "b.csv"
    path.write_text("title;date\n")
    assert columns_of(FeedFile(path, delimiter=";")) == ("title", "date")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("feed.csv", b"", "is empty"),
        ("feed.csv", b"a,a\n1,2\n", "names 'a' twice"),
        ("feed.parquet", b"x", "--format"),
        ("feed.jsonl", b"\n", "no line is a JSON object"),
        ("feed.csv.gz", gzip.compress(b"a,b\n" * 10_000)[:-20], "damaged or cut short"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """The error names the file and what is wrong."""
    feed = written(tmp_path / name, content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_all(feed)
    assert name in str(caught.value)


def test_a_missing_file_and_encoding_are_config_errors(tmp_path: Path) -> None:
    """Start-up stops, and says which."""
    with pytest.raises(ConfigError, match=r"none\.csv: No such file"):
        columns_of(FeedFile(tmp_path / "none.csv"))
    path = tmp_path / "feed.csv"
    path.write_text("a\n")
    with pytest.raises(ConfigError, match="--encoding klingon"):
        columns_of(FeedFile(path, encoding="klingon"))


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=20))
@settings(deadline=None)
def test_every_written_csv_row_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    """Quotes, commas and line ends inside cells survive, and no row is lost."""
    text = io.StringIO()
    csv.writer(text).writerows([["a", "b"], *rows])
    feed = written(tmp_path_factory.mktemp("csv") / "feed.csv", text.getvalue())
    assert values(feed) == [{"a": a, "b": b} for a, b in rows]


@given(st.lists(st.dictionaries(CELLS, CELLS, min_size=1), min_size=1, max_size=10))
@settings(deadline=None)
def test_every_written_json_line_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    """Objects survive as they are."""
    feed = written(tmp_path_factory.mktemp("jsonl") / "feed.jsonl", "\n".join(json.dumps(row) for row in rows))
    assert values(feed) == rows

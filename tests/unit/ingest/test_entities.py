"""Laws of finding companies."""

from __future__ import annotations

import csv
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.ingest.entities import EntityIndex, load_entities

INDEX = EntityIndex(
    [("Apple", "AAPL"), ("Target", "TGT"), ("Bank of America", "BAC"), ("Bank of America Home", "BAH"), ("AT&T", "T")]
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Apple's margins, Apple.", ("AAPL",)),
        ("(Apple)", ("AAPL",)),
        ("Pineapple and Applebee stocks", ()),
        ("an apple a day", ()),
        ("Price target raised; Target sues", ("TGT",)),
        ("price target raised", ()),
        ("Bank of America falls", ("BAC",)),
        ("Bank of America Home loses", ("BAH",)),
        ("Bank of", ()),
        ("AT&T’s dividend", ("T",)),
        ("$TSLA and $BRK.B, not $toolong or 5$", ("BRK.B", "TSLA")),
        ("", ()),
    ],
)
def test_entities_are_whole_words_in_their_case(text: str, found: tuple[str, ...]) -> None:
    """A company is not found inside another word, nor where its name is a common word; the longer name wins."""
    assert INDEX.find(text) == found


CHINESE = EntityIndex(
    [
        ("苹果", "AAPL"),
        ("Apple", "AAPL"),
        ("京东", "JD"),
        ("京东方", "BOE"),
        ("高通", "QCOM"),
        ("高通胀", "-"),
        ("UPS", "UPS"),
        ("UPS电源", "-"),
        ("TCL科技", "TCL"),
    ]
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("苹果发布新品", ("AAPL",)),
        ("涉及苹果的诉讼", ("AAPL",)),
        ("京东方亏损", ("BOE",)),
        ("京东方与京东合作", ("BOE", "JD")),
        ("高通胀压制消费", ()),
        ("高通胀之下高通下调指引", ("QCOM",)),
        ("Apple大涨，$TSLA大跌", ("AAPL", "TSLA")),
        ("TCL科技扩产", ("TCL",)),
        ("UPS电源订单增长", ()),
        ("UPS下调指引", ("UPS",)),
        ("Pineapple大涨", ()),
    ],
)
def test_chinese_names_need_no_word_boundary(text: str, found: tuple[str, ...]) -> None:
    """They stand between other characters; the longest name wins, and one that is no company's hides what is in it."""
    assert CHINESE.find(text) == found


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("Bank of America sues Apple's rival", {"BAC": "Bank of America", "AAPL": "Apple"}),
        ("苹果与Apple", {"AAPL": "苹果"}),
        ("$AAPL: Apple falls", {"AAPL": "Apple"}),
        ("$AAPL falls", {"AAPL": "AAPL"}),
    ],
)
def test_a_company_is_mentioned_by_the_name_the_text_has(text: str, mentions: dict[str, str]) -> None:
    """It stands in the text; the ticker only where there is no name."""
    index = EntityIndex([("Apple", "AAPL"), ("苹果", "AAPL"), ("Bank of America", "BAC")])
    assert index.mentions(text) == mentions
    assert all(name in text for name in mentions.values())


def test_no_name_of_the_shipped_list_belongs_to_two_companies() -> None:
    """The second would be lost in silence."""
    source = resources.files("monitor.ingest").joinpath("companies.csv").read_text(encoding="utf-8")
    rows = [row for row in csv.reader(source.splitlines()) if not row[0].startswith("#")]
    names = Counter(name for _, *listed in rows for name in listed)
    assert [name for name, count in names.items() if count > 1] == []
    assert all(len(row) > 1 and all(row) for row in rows)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("特斯拉三季度交付不及预期", ("TSLA",)),
        ("騰訊與阿里巴巴領跌", ("BABA", "TCEHY")),
        ("腾讯音乐营收增长", ("TME",)),
        ("宁德时代、比亚迪获外资增持", ("002594.SZ", "300750.SZ")),
        ("中国银行业净息差收窄", ()),
        ("中国银行业绩好于预期", ("601988.SH",)),
        ("北京东城区楼市回暖", ()),
        ("Moutai and BYD lead gains", ("002594.SZ", "600519.SH")),
    ],
)
def test_the_shipped_list_knows_chinese_names(text: str, found: tuple[str, ...]) -> None:
    """Simplified and traditional, and what only looks like one."""
    assert load_entities(None).find(text) == found


@given(st.text(), st.lists(st.text("ABC", min_size=1, max_size=3), max_size=20))
def test_entities_are_ascending_and_bounded(text: str, given_tickers: list[str]) -> None:
    """At most eight, each once."""
    found = INDEX.find(text, tuple(given_tickers))
    assert list(found) == sorted(set(found))
    assert len(found) <= 8


@given(st.permutations(["Apple", "Target", "AT&T", "sues", "Bank of America"]))
def test_entities_do_not_depend_on_their_order(words: list[str]) -> None:
    """A set of companies, not a list of mentions."""
    assert INDEX.find(", ".join(words)) == ("AAPL", "BAC", "T", "TGT")


def test_a_company_list_of_ones_own_is_read(tmp_path: Path) -> None:
    """Comments and empty lines are skipped; names after the first are further names."""
    path = tmp_path / "companies.csv"
    path.write_text("# ticker,name\n\nSAP,SAP,Systemanalyse\n", encoding="utf-8")
    assert load_entities(path).find("Systemanalyse gains") == ("SAP",)


def test_a_bad_company_list_is_named_with_its_line(tmp_path: Path) -> None:
    """So that it can be put right."""
    path = tmp_path / "companies.csv"
    path.write_text("AAPL,Apple\nMSFT\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"companies\.csv, line 2"):
        load_entities(path)
    with pytest.raises(ConfigError, match="missing"):
        load_entities(tmp_path / "missing.csv")

"""Laws of language routing: by script, then by what the source says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.ingest.language import language_of


@pytest.mark.parametrize(
    ("text", "claimed", "language"),
    [
        ("Nvidia Q3 EPS beat", None, "en"),
        ("Nvidia Q3 EPS beat", "de", "de"),
        ("Société Générale relève ses prévisions", "fr", "fr"),
        ("央行宣布下调存款准备金率", None, "zh"),
        ("央行宣布下调存款准备金率", "en", "zh"),
        ("特斯拉 Tesla 第三季度交付量下降", None, "zh"),
        ("Tesla rebrands in China as 特斯拉 after record deliveries this quarter", None, "en"),
        ("Shanghai Composite closes lower", "zh", "en"),
        ("日銀が利上げを決定", None, "ja"),
        ("トヨタ", None, "ja"),
        ("日銀利上決定", "ja", "ja"),
        ("삼성전자 실적 부진", None, "ko"),
        ("美中 갈등 심화", None, "ko"),
        ("Samsung 실적 부진", None, "ko"),
        ("三星（삼성）宣布扩产存储芯片", None, "zh"),
        ("AAPL大涨", None, "zh"),
        ("NVIDIA涨5%", None, "zh"),
        ("AAPL、MSFT、GOOGL 齐跌", "en", "zh"),
        ("A股三大指数集体收跌", None, "zh"),
        ("台積電第三季獲利創新高", None, "zh"),
        ("台積電第三季獲利創新高", "zh", "zh"),
        ("優の良品第三季營收創新高，門市數增加", "zh", "zh"),
        ("优の良品发布财报", None, "zh"),
        ("東証続落、円高を嫌気", "zh", "ja"),
        ("円高進行、日経平均続落", None, "ja"),
        ("日銀の金融政策決定会合", None, "ja"),
        ("Nintendo (任天堂の) profit falls sharply as sales weaken abroad", None, "en"),
        ("LVMH", None, "en"),
        ("Apple и Google снизили цены", None, "ru"),
        ("Газпром снизил добычу", None, "ru"),
        ("Нафтогаз знизив видобуток", "uk", "uk"),
        ("Oil prices fall", "uk", "en"),
        ("+4.2% 123 $$$", None, "und"),
        ("+4.2% 123 $$$", "fr", "fr"),
        ("", None, "und"),
        ("ಬ್ಯಾಂಕ್", None, "und"),
    ],
)
def test_language_by_example(text: str, claimed: str | None, language: str) -> None:
    """A claim is believed unless the script contradicts it; company names stay Latin in any language."""
    assert language_of(text, claimed) == language


@given(st.text(), st.sampled_from([None, "en", "zh", "fr"]))
def test_every_text_has_a_language(text: str, claimed: str | None) -> None:
    """Never empty, and the same each time."""
    assert language_of(text, claimed)
    assert language_of(text, claimed) == language_of(text, claimed)


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1))
def test_chinese_is_never_read_as_english(text: str) -> None:
    """Whatever the source claims: an English model must not score it; some of these characters are written in Japan only."""
    assert language_of(text, "en") in {"zh", "ja"}


@given(
    st.lists(st.sampled_from(["AAPL", "TSLA", "CEO", "ETF", "3%", "Q3"]), max_size=8),
    st.text(st.sampled_from("股价大涨下跌发布财报净利润"), min_size=3),
)
def test_tickers_do_not_make_a_chinese_headline_english(tickers: list[str], words: str) -> None:
    """They stand in the headlines of any language."""
    assert language_of(" ".join(tickers) + words, None) == "zh"


@given(
    st.text(st.sampled_from("銀行利上決定市場株式"), min_size=1), st.text(st.sampled_from("をがはにでした"), min_size=3)
)
def test_kana_make_a_headline_japanese(characters: str, kana: str) -> None:
    """No Chinese model must score it."""
    assert language_of(f"{characters[:20]}{kana}", "zh") == "ja"

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
    """Whatever the source claims: an English model must not score it."""
    assert language_of(text, "en") == "zh"

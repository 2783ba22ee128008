"""Which language a document is in, as far as it decides which model may read it: by script, then by what its source says.

A headline is too short for statistics: "Nvidia Q3 EPS beat" is English, German and Dutch alike. What the script can't
tell (French from English) is taken from the document's own `language` field.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from functools import lru_cache

UNDETERMINED = "und"
# Languages by the script they are written in; without a claim, the first.
_WRITTEN_IN = {
    "CJK": ("zh", "ja", "ko"),
    "KANA": ("ja",),
    "HANGUL": ("ko",),
    "CYRILLIC": ("ru", "uk", "be", "bg", "mk", "mn", "kk", "sr"),
    "ARABIC": ("ar", "fa", "ur"),
    "HEBREW": ("he", "yi"),
    "GREEK": ("el",),
    "THAI": ("th",),
    "DEVANAGARI": ("hi", "mr", "ne"),
}
_NEVER_LATIN = {language for languages in _WRITTEN_IN.values() for language in languages} - {"kk", "sr"}
_EAST_ASIAN = ("CJK", "KANA", "HANGUL")
_SAMPLE = 400
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]+")
# Tickers and abbreviations (AAPL, ETF, CEO) stand in any language's headlines.
_TICKER_LETTERS = 5
_TICKER_WEIGHT = 0.25
# Characters as they are written only in Japan (shinjitai that neither simplified nor traditional Chinese has): they tell
# a Japanese headline without kana ("円高進行、日経平均続落") from a Chinese one.
_JAPANESE_ONLY = frozenset("円売駅図対発気変経済広鉄検県価転両単払込働総続増関営労験薬実戦収応権団圧拡豊軽遅録黒")
# Common characters as they are written only in simplified Chinese; more of them than Japanese marks settle it.
_SIMPLIFIED_ONLY = frozenset("发财报净润长涨亿东业亏车银产见资费贷购价证关开动务总经济对电网")
# How much of a text without them may be Japanese marks before it is Japanese: a brand's の is in Chinese text too.
_JAPANESE_SHARE = 0.04
_JAPANESE_SHARE_OF_CLAIMED_CHINESE = 0.1
# Korean headlines abbreviate countries and people with a Chinese character (美, 中, 李); Chinese ones hardly quote Hangul.
_KOREAN_SHARE = 1 / 3


def language_of(text: str, claimed: str | None) -> str:
    """Returns an ISO 639-1 code, or `und`.

    Args:
        text: the document's words.
        claimed: what its source says; believed unless the script contradicts it.
    """
    sample = text[:_SAMPLE]
    counts = _evidence(sample)
    if not counts:
        return claimed or UNDETERMINED
    east_asian = sum(counts[script] for script in _EAST_ASIAN)
    others = {script: count for script, count in counts.items() if script not in _EAST_ASIAN}
    script = max(others, key=lambda name: others[name], default="")
    if east_asian and east_asian >= others.get(script, 0):  # a Chinese headline is full of Latin names, not the reverse
        return _east_asian(sample, counts, claimed)
    if script == "LATIN":
        return claimed if claimed and claimed not in _NEVER_LATIN else "en"
    languages = _WRITTEN_IN.get(script, (UNDETERMINED,))
    return claimed if claimed in languages else languages[0]


def _evidence(sample: str) -> defaultdict[str, float]:
    """How much of each script there is: Latin in words, since names and tickers stay Latin, others in characters."""
    counts: defaultdict[str, float] = defaultdict(float)
    for character in "" if sample.isascii() else sample:  # ASCII letters are Latin
        script = _script(character)
        if script not in ("", "LATIN"):
            counts[script] += 1
    for word in _LATIN_WORD.findall(sample):
        counts["LATIN"] += _TICKER_WEIGHT if word.isupper() and len(word) <= _TICKER_LETTERS else 1
    return counts


@lru_cache(maxsize=8192)
def _script(character: str) -> str:
    if not character.isalpha():
        return ""
    name = unicodedata.name(character, "").split(" ", 1)[0]
    return "KANA" if name.startswith(("HIRAGANA", "KATAKANA")) else name


def _east_asian(sample: str, counts: defaultdict[str, float], claimed: str | None) -> str:
    kana, hangul, characters = counts["KANA"], counts["HANGUL"], counts["CJK"]
    if hangul >= _KOREAN_SHARE * (characters + hangul) and hangul > kana:
        return "ko"
    marks = kana + sum(character in _JAPANESE_ONLY for character in sample)
    share = _JAPANESE_SHARE_OF_CLAIMED_CHINESE if claimed == "zh" else _JAPANESE_SHARE
    simplified = sum(character in _SIMPLIFIED_ONLY for character in sample)
    if marks > max(simplified, share * (characters + kana)):
        return "ja"
    return claimed if claimed in _WRITTEN_IN["CJK"] else "zh"

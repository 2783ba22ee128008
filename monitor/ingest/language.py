"""Which language a document is in, as far as it decides which model may read it: by script, then by what its source says.

A headline is too short for statistics: "Nvidia Q3 EPS beat" is English, German and Dutch alike. What the script can't
tell (French from English) is taken from the document's own `language` field.
"""

from __future__ import annotations

import unicodedata

UNDETERMINED = "und"
# Languages by the script they are written in; without a claim, the first.
_WRITTEN_IN = {
    "CJK": ("zh", "ja", "ko"),
    "HIRAGANA": ("ja",),
    "KATAKANA": ("ja",),
    "HANGUL": ("ko",),
    "CYRILLIC": ("ru", "uk", "be", "bg", "mk", "mn", "kk", "sr"),
    "ARABIC": ("ar", "fa", "ur"),
    "HEBREW": ("he", "yi"),
    "GREEK": ("el",),
    "THAI": ("th",),
    "DEVANAGARI": ("hi", "mr", "ne"),
}
_NEVER_LATIN = {language for languages in _WRITTEN_IN.values() for language in languages} - {"kk", "sr"}
# A Latin word carries as much as about three Chinese characters; company names stay Latin in any language.
_CJK_WEIGHT = 3
_SAMPLE = 400


def language_of(text: str, claimed: str | None) -> str:
    """Returns an ISO 639-1 code, or `und`.

    Args:
        text: the document's words.
        claimed: what its source says; believed unless the script contradicts it.
    """
    counts: dict[str, int] = {}
    for character in text[:_SAMPLE]:
        if character.isalpha():
            script = unicodedata.name(character, "").split(" ", 1)[0] if ord(character) > 0x24F else "LATIN"
            counts[script] = counts.get(script, 0) + (_CJK_WEIGHT if script == "CJK" else 1)
    if not counts:
        return claimed or UNDETERMINED
    if counts.get("HIRAGANA", 0) + counts.get("KATAKANA", 0) > 0 and "CJK" in counts:
        return "ja"
    script = max(counts, key=lambda name: counts[name])
    if script == "LATIN":
        return claimed if claimed and claimed not in _NEVER_LATIN else "en"
    languages = _WRITTEN_IN.get(script, (UNDETERMINED,))
    return claimed if claimed in languages else languages[0]

"""Text clean-up: one form for the classifiers, one for comparing stories.

Guarantees: pure and deterministic; `clean_text` is idempotent; training and serving share it, so that a model sees at
run time what it saw when it was tuned.
"""

from __future__ import annotations

import html
import re
import unicodedata

_URL = re.compile(r"(?:https?://|www\.)\S+|\b(?:pic\.twitter\.com|t\.co)/\S+", re.IGNORECASE)
_MOST_ROUNDS = 8
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
_SPACE = re.compile(r"\s+")
# "&amp;amp;…": one round of unescaping takes off one layer, so that a hostile message would cost the square of its length.
_NESTED_AMPERSAND = re.compile(r"&(?:(?:amp|AMP|#0*38(?![0-9])|#[xX]0*26(?![0-9a-fA-F]));?)+")
# Wire prefixes that an editor adds to a story that already ran; they do not make it another story.
_WIRE_PREFIX = re.compile(
    r"^(?:(?:rpt|refile|update\s*\d*|updated?|wrapup\s*\d*|corrected|breaking(?:\s+news)?|exclusive|reprint|rt\s+@\w+|"
    r"(?:reuters|ap|afp|dpa|xinhua))\b\s*(?:[-:—–|]\s*\d*\s*[-:—–|]?\s*|\)\s*)|\((?:reuters|ap|afp|update\w*)\)\s*[-:—–]?\s*)+",
    re.IGNORECASE,
)
# " - Publisher" or " | Publisher" at the end of a headline: at most four words, each capitalised or a domain name.
_PUBLISHER = re.compile(
    r"\s+(?:[-—–|]|:)\s+(?:via\s+)?(?:[A-Z][\w.&'’]*|[\w-]+\.(?:com|net|org|co))(?:\s+[A-Z][\w.&'’]*){0,3}\s*$"
)
_TOKEN = re.compile(
    r"[$#@]?[A-Za-z\u00c0-\u024f][\w\u00c0-\u024f]*(?:['’][A-Za-z]+)?|\d+(?:[.,]\d+)*%?"
    r"|[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|\w+"
)
CJK = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def clean_text(text: str) -> str:
    """Returns `text` as the classifiers read it: NFKC, HTML entities resolved, links and control marks gone, one space."""
    plain = text.isascii() and text.isprintable()
    if plain and "&" not in text and "/" not in text and "  " not in text and "www." not in text.lower():
        return text.strip()  # as most headlines are; of them the rest would take nothing else away, and takes long
    cleaned, stable = _clean_rounds(text, unescape=True)
    if not stable:
        # Nobody writes entities nested so deeply; each round would cost the whole length again.
        cleaned, _ = _clean_rounds(cleaned.replace("&", " "), unescape=False)
    return cleaned


def _clean_rounds(text: str, *, unescape: bool) -> tuple[str, bool]:
    """Cleans until nothing changes, which a second "&amp;" needs; returns whether it came to that within the bound."""
    cleaned = text
    for _ in range(_MOST_ROUNDS):
        previous = cleaned
        if unescape:
            cleaned = html.unescape(_NESTED_AMPERSAND.sub("&", cleaned))
        cleaned = unicodedata.normalize("NFKC", cleaned)
        if "/" in cleaned or "www." in cleaned.lower():  # what no link can be without; looking for one takes long
            cleaned = _URL.sub(" ", cleaned)
        cleaned = _CONTROL.sub(" ", cleaned)
        cleaned = _SPACE.sub(" ", cleaned).strip()
        if cleaned == previous:
            return cleaned, True
    return cleaned, False


def story_text(text: str) -> str:
    """Returns `text` without what editors add to a reprint: wire prefixes in front, the publisher's name behind."""
    cleaned = clean_text(text)
    prefix = _WIRE_PREFIX.match(cleaned)
    stripped = _PUBLISHER.sub("", cleaned[prefix.end() :] if prefix else cleaned)
    return stripped if len(stripped) >= len(cleaned) // 3 else cleaned


def tokens_of(text: str) -> list[str]:
    """Splits into words, numbers, cashtags and single Chinese characters, in their order and original case."""
    return _TOKEN.findall(text)

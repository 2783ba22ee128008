"""Texts and rows that laws of reading are checked with."""

from __future__ import annotations

import csv
import io

from hypothesis import strategies as st

from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import SENTIMENTS

# Any text of which cleaning leaves something; a file in UTF-8 can hold it, and it holds no NUL.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40).filter(clean_text)
TOPICS = st.sampled_from(["Macro", "Fed / Central Banks", "M&A / Investments", "大盘"])
SENTIMENT = st.sampled_from(SENTIMENTS)


def as_csv(*rows: tuple[str, ...]) -> str:
    """Rows as the csv module writes them, the first of which is the header."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()

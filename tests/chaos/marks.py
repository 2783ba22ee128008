"""Marks of documents with copies: each counts in counters of its own, which tell whether it counted 0, 1 or 2 times.

Else one that is lost and one that is counted twice, in the same minute, would look like none of either. A mark is a company
that no other document names. A document without a score counts for no company: it is marked by a minute of its own.
"""

from __future__ import annotations

from dataclasses import replace

from tests.headlines import MINUTE_MS, Headline

_PREFIX = "DOC-"


class Marker:
    """Gives marks.

    Args:
        before_ms: no headline is published before this instant, but for those that get a minute of their own.
    """

    def __init__(self, before_ms: int) -> None:
        self._before_ms = before_ms
        self._count = 0

    def mark(self, headline: Headline) -> Headline:
        """The headline with a mark that no other has, in place of the one that it may have had."""
        self._count += 1
        if headline.sentiment is None:
            return replace(headline, published_ms=self._before_ms - self._count * MINUTE_MS)
        companies = [ticker for ticker in headline.tickers if not is_mark(ticker)]
        return replace(headline, tickers=tuple(sorted([*companies, f"{_PREFIX}{self._count}"])))


def is_mark(ticker: str) -> bool:
    """Whether it is no company."""
    return ticker.startswith(_PREFIX)


def mark_of(headline: Headline) -> str | None:
    """The company that it alone names; None if there is none."""
    return next((ticker for ticker in headline.tickers if is_mark(ticker)), None)


def own_name(story: str) -> str:
    """The name that what is counted of a story goes by, whichever of its documents' marks it was counted under."""
    return f"story {story}"

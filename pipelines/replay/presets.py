"""Named option sets for feed files whose layout is known.

A preset gives defaults; every option given beside it wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Names of ReplayOptions fields to values.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Headlines,Time,Description; times such as " 7:51  PM ET Fri, 17 July 2020" carry their zone.
    "cnbc": {
        "columns": {"title": "Headlines", "text": "Description", "published": "Time"},
        "source": "CNBC",
        "timezone": "America/New_York",
    },
    # No header; day, headline. The file doesn't say whose days they are: UTC keeps each in its own ISO week.
    "reuters": {
        "header": False,
        "columns": {"published": "1", "title": "2"},
        "source": "Reuters",
        "timezone": "UTC",
    },
    # The description only repeats title and publisher, so it isn't sent; the publisher is a dict with a title.
    "google-news": {
        "columns": {"title": "title", "url": "url", "published": "published date", "source": "publisher"},
        "source": "Google News",
        "timezone": "UTC",
        "strip_source": True,
    },
    # date,text with the headline in `text`; days of the Chinese market, newest first. Some headlines are mostly Latin.
    "zh-headlines": {
        "columns": {"title": "text", "published": "date"},
        "source": "zh-headlines",
        "language": "zh",
        "timezone": "Asia/Shanghai",
    },
}

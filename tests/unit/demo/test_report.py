"""Laws of the figures that the demo reports."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from monitor.demo.report import dead_letters, delay_quantiles, show, stage_rates

DELAYS = "sentiment_produce_to_trend_seconds_bucket"


def test_quantiles_are_those_of_what_came_in_between() -> None:
    """What was counted before the live part is left out; the bound of the bucket is reported, not more."""
    before = {DELAYS: [({"le": "0.1"}, 0.0), ({"le": "1.0"}, 500.0), ({"le": "+Inf"}, 500.0)]}
    after = {DELAYS: [({"le": "+Inf"}, 600.0), ({"le": "0.1"}, 98.0), ({"le": "1.0"}, 600.0)]}
    assert delay_quantiles(before, after) == {"p50": 0.1, "p99": 1.0}


def test_without_any_document_there_is_no_quantile() -> None:
    """Nor where a document took longer than the largest bucket: no number is made up."""
    assert delay_quantiles({}, {}) == {"p50": None, "p99": None}
    slow = {DELAYS: [({"le": "0.1"}, 1.0), ({"le": "+Inf"}, 2.0)]}
    assert delay_quantiles({}, slow) == {"p50": 0.1, "p99": None}


def test_stage_rates_divide_documents_by_seconds() -> None:
    """In the order of the path; a stage that never ran is left out, one that took no time has no rate."""
    rates = stage_rates(
        {
            "sentiment_stage_seconds_sum": [({"stage": "apply"}, 0.0), ({"stage": "decode"}, 2.0)],
            "sentiment_stage_documents_total": [({"stage": "decode"}, 500.0)],
        }
    )
    assert list(rates) == ["decode", "apply"]
    assert rates["decode"] == {"documents": 500.0, "seconds": 2.0, "documents_per_second": 250.0}
    assert rates["apply"]["documents_per_second"] == 0


def test_dead_letters_are_listed_by_reason() -> None:
    """As whole numbers."""
    assert dead_letters({"sentiment_dead_letters_total": [({"reason": "not_json"}, 2.0)]}) == {"not_json": 2}
    assert dead_letters({}) == {}


SUMMARY: dict[str, Any] = {
    "topics": [
        {
            "key": "M&A [bold]Deals[/]",
            "spike": None,
            "turn": {"polarity_before": None, "polarity_now": -0.25, "change": None},
            "windows": [{"hours": 1.0, "stories": 0, "negative": 0, "neutral": 0, "positive": 0}],
        }
    ],
    "spikes": [
        {
            "dimension": "topic",
            "key": "Earnings",
            "start": "2026-03-04T11:30:00Z",
            "end": None,
            "active": True,
            "peak": {"observed": 30, "stories": 40, "expected": 4.2, "upper": 12.9, "score": 8.1},
            "stories": [{"documents": 3, "source": "Example Wire", "title": "Chip maker [warns]"}],
        }
    ],
    "documents": {"sent": 9, "applied": 9, "reprints": 1, "dead_letters": {}, "unsupported": {"zh": 2}},
    "lag": 0,
    "produce_to_trend_seconds": {"p50": 0.25, "p99": None},
    "resident_mib": {"worker": 512.0},
    "stages": {"decode": {"documents_per_second": 12_345.0}},
    "documents_per_second": 250.0,
    "notifications": None,
    "verdict": None,
    "addresses": {"console": "http://127.0.0.1:9102/"},
}


def shown(**changes: Any) -> str:
    """The report as text, on one line."""
    out = StringIO()
    show(Console(file=out, width=240), {**SUMMARY, **changes})
    return " ".join(out.getvalue().split())


def test_the_report_shows_the_spike_with_its_stories_and_no_data_as_such() -> None:
    """Text of documents is shown as it is: it is no markup."""
    text = shown()
    for part in ("Earnings", "30 negative of 40 stories", "4.2 expected", "Chip maker [warns]", "3 documents"):
        assert part in text
    for part in ("M&A [bold]Deals[/]", "-0.25", "no data", "2 zh", "p50 ≤ 0.25 s, p99: no data", "Prometheus".lower()):
        assert part in text


def test_the_report_ends_with_the_verdict() -> None:
    """Right, wrong with what is wrong, or nothing to compare with."""
    assert "nothing was compared" in shown()
    assert "exactly those" in shown(verdict={"right": True, "missing": [], "unexpected": []})
    wrong = shown(verdict={"right": False, "missing": ["topic Macro"], "unexpected": []})
    assert "Not what the manifest declares" in wrong
    assert "topic Macro" in wrong


def test_addresses_are_shown_while_something_answers_there() -> None:
    """Those of a run that ends at once would lead nowhere."""
    shown, ended = StringIO(), StringIO()
    show(Console(file=shown, width=240), SUMMARY)
    show(Console(file=ended, width=240), SUMMARY, served=False)
    address = SUMMARY["addresses"]["console"]
    assert address in shown.getvalue()
    assert address not in ended.getvalue()

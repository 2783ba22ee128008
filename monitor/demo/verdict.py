"""Holds the alerts that were found against those that the manifest declares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor.demo.feed import ExpectedAlert, Manifest

# A spike is seen when enough stories have come, which may be a window after the first. It may also begin a little early,
# on what was in the window before; and one that ends and comes back within two windows is the same alert.
_LATEST_SECONDS = 3600.0
_EARLIEST_SECONDS = 900.0
_SAME_SECONDS = 7200.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found and declared, what is missing and what should not be there; empty lists mean exactly right."""

    found: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether the alerts are exactly those declared."""
        return not self.missing and not self.unexpected


def judge(
    spikes: list[dict[str, Any]], manifest: Manifest, end_ms: int, notified: set[tuple[str, str]] | None = None
) -> Verdict:
    """Compares spikes, as the API gives them, with a manifest.

    Each declared alert takes one spike of its subject, and what comes back within two windows of it; every other spike is
    one too many.

    Args:
        spikes: all spikes of the feed's time.
        manifest: what it declares.
        end_ms: when the feed ended.
        notified: subjects that Alertmanager told of; None where it doesn't run. It must have told of each spike that is
            on, and of no other.
    """
    relevant = [spike for spike in spikes if spike["dimension"] in manifest.dimensions]
    left = sorted(relevant, key=lambda spike: -spike["peak"]["score"])
    missing = []
    for alert in manifest.alerts:
        taken = next((spike for spike in left if _fits(spike, alert, end_ms)), None)
        if taken is None:
            missing.append(_describe(alert))
        else:
            left = [spike for spike in left if not _same(spike, taken)]
    unexpected = [f"{spike['dimension']} {spike['key']} at {spike['start']}" for spike in left]
    if notified is not None:
        on = {_subject(spike) for spike in spikes if spike["active"]}
        missing += [f"notification of {dimension} {key}" for dimension, key in sorted(on - notified)]
        unexpected += [
            f"notification of {dimension} {key}" for dimension, key in sorted(notified - set(map(_subject, spikes)))
        ]
    return Verdict(tuple(sorted(set(map(_subject, relevant)))), tuple(missing), tuple(unexpected))


def _subject(spike: dict[str, Any]) -> tuple[str, str]:
    return spike["dimension"], spike["key"]


def _fits(spike: dict[str, Any], alert: ExpectedAlert, end_ms: int) -> bool:
    if _subject(spike) != (alert.dimension, alert.key):
        return False
    if alert.starts_before_end_seconds is None:
        return True
    early = end_ms / 1000 - _seconds(spike["start"]) - alert.starts_before_end_seconds
    return -_LATEST_SECONDS <= early <= _EARLIEST_SECONDS


def _same(spike: dict[str, Any], taken: dict[str, Any]) -> bool:
    gap = abs(_seconds(spike["start"]) - _seconds(taken["start"]))
    return _subject(spike) == _subject(taken) and gap <= _SAME_SECONDS


def _describe(alert: ExpectedAlert) -> str:
    start = alert.starts_before_end_seconds
    return f"{alert.dimension} {alert.key}" + ("" if start is None else f" {start:.0f} s before the end")


def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()

"""Holds the alerts that were found against those that the manifest declares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor.demo.feed import Manifest

# A spike is seen when enough stories have come, which may be a window after the first; and never before it.
_LATEST_SECONDS = 3600.0
_EARLIEST_SECONDS = 120.0


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


def judge(spikes: list[dict[str, Any]], manifest: Manifest, end_ms: int) -> Verdict:
    """Compares spikes, as the API gives them, with a manifest.

    Args:
        spikes: all spikes of the feed's time.
        manifest: what it declares.
        end_ms: when the feed ended.
    """
    relevant = [spike for spike in spikes if spike["dimension"] in manifest.dimensions]
    declared = {(alert.dimension, alert.key) for alert in manifest.alerts}
    missing = []
    for alert in manifest.alerts:
        starts = [
            _before_end(spike, end_ms)
            for spike in relevant
            if (spike["dimension"], spike["key"]) == (alert.dimension, alert.key)
        ]
        wanted = alert.starts_before_end_seconds
        if not starts:
            missing.append(f"{alert.dimension} {alert.key}")
        elif wanted is not None and not any(
            wanted - _LATEST_SECONDS <= s <= wanted + _EARLIEST_SECONDS for s in starts
        ):
            missing.append(f"{alert.dimension} {alert.key} {wanted:.0f} s before the end (found at {starts})")
    unexpected = [
        f"{spike['dimension']} {spike['key']} at {spike['start']}"
        for spike in relevant
        if (spike["dimension"], spike["key"]) not in declared
    ]
    found = tuple(sorted({(spike["dimension"], spike["key"]) for spike in relevant}))
    return Verdict(found, tuple(missing), tuple(unexpected))


def _before_end(spike: dict[str, Any], end_ms: int) -> float:
    return end_ms / 1000 - datetime.fromisoformat(spike["start"]).timestamp()

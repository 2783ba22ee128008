"""The entity swap as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.evaluation.table_section import Section, decimal, percent, signed_gap

_SHARES = ("pairs_changed_share", "off_majority_share", "frames_changed_share")


def swap_sections(report: dict[str, Any]) -> Iterator[Section]:
    """Yields the tables of what `swap_report` returned."""
    yield _figures(report)
    yield _names(report)
    yield Section(
        "entity swap: by region",
        ("region", "names", "mean shift", "off the majority"),
        tuple(
            (region, str(row["names"]), signed_gap(row["mean_shift"]), percent(row["off_majority_share"]))
            for region, row in report["by_region"].items()
        ),
    )
    yield Section(
        "entity swap: headlines that change most",
        ("headline", "written", "shift", "lowest", "highest"),
        tuple(
            (
                row["frame"],
                row["sentiment"],
                decimal(row["mean_absolute_shift"]),
                f"{row['lowest']} {signed_gap(row['lowest_polarity'])}",
                f"{row['highest']} {signed_gap(row['highest_polarity'])}",
            )
            for row in report["worst_frames"]
        ),
    )


def _figures(report: dict[str, Any]) -> Section:
    rows = [("all", report["frames"], "", report)]
    rows += [(name, row["frames"], percent(row["agree_share"]), row) for name, row in report["by_sentiment"].items()]
    return Section(
        f"entity swap ({report['language']}): {report['names']} company names in {report['frames']} headlines",
        (
            "headlines",
            "n",
            "as written",
            "name pairs that differ",
            "off the majority",
            "headlines that change",
            "shift",
        ),
        tuple(
            (name, str(n), agree, *(percent(row[key]) for key in _SHARES), decimal(row["mean_absolute_shift"]))
            for name, n, agree, row in rows
        ),
        (
            "shift: mean absolute distance of the polarity, P(positive) - P(negative), from the headline's median",
            "as written: labels that are the sentiment the headline was written with",
        ),
    )


def _names(report: dict[str, Any]) -> Section:
    return Section(
        "entity swap: names that sway most",
        ("name", "region", "industry", "mean shift", "off the majority"),
        tuple(
            (
                row["name"] + (" (invented)" if row["invented"] else ""),
                row["region"],
                row["industry"],
                signed_gap(row["mean_shift"]),
                percent(row["off_majority_share"]),
            )
            for row in report["worst_names"]
        ),
        ("a mean shift below 0: scored as worse news than the same headline of others",),
    )

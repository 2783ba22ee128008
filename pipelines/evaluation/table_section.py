"""A titled table of a report, and how numbers are written in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Section:
    """A table with a title above and notes below."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def decimal(value: float) -> str:
    """Three places."""
    return f"{value:.3f}"


def signed_gap(value: float) -> str:
    """Three places, with the sign."""
    return f"{value:+.3f}"


def percent(value: float) -> str:
    """A share, in percent with one place."""
    return f"{100 * value:.1f} %"


@dataclass(frozen=True, slots=True)
class Columns:
    """Headings and keys of figures that stand side by side."""

    names: tuple[str, ...]
    keys: tuple[str, ...]


PROBABILITIES = Columns(("n", "accuracy", "macro-F1", "ECE", "Brier"), ("n", "accuracy", "macro_f1", "ece", "brier"))
PRECISION = Columns(("n", "precision", "recall", "F1"), ("n", "precision", "recall", "f1"))


def cells_of(row: dict[str, Any], columns: Columns) -> tuple[str, ...]:
    """The figures as text; a dash where there is none."""
    return tuple(
        "–" if (value := row.get(key)) is None else str(value) if key == "n" else decimal(value) for key in columns.keys
    )


def item_of(place: str) -> str:
    """The row without its file, which stands above the tables."""
    return place.rpartition(", ")[2]

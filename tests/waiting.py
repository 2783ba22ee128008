"""Waits for what must become true, and says what it was when it doesn't."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

_PAUSE_SECONDS = 0.05
Value = TypeVar("Value")


def eventually(predicate: Callable[[], Value], description: str, timeout_seconds: float = 30.0) -> Value:
    """Returns the predicate's value once it is true; fails with the description if that isn't so in time."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := predicate()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_seconds:g} s: {description}; last seen: {value!r}")
        time.sleep(_PAUSE_SECONDS)
    return value

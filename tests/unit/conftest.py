"""Laws are checked without a time limit per example: a busy machine is no counter-example."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None, max_examples=60)
settings.load_profile("patient")

"""Fetching one file from Maven Central by its coordinate, with jgo (pure Python; no Maven on the machine)."""

from __future__ import annotations

import logging
import time
from pathlib import Path

_TIMEOUT_SECONDS = 30
_TRIES = 3
_PAUSE_SECONDS = 1.0


class FetchError(Exception):
    """A file did not come, after a few tries."""


def fetch_from_maven_central(coordinate: str, folder: Path) -> Path:
    """Downloads the jar of a coordinate; safe to call from several threads, with a folder each.

    Args:
        coordinate: group:artifact:version.
        folder: an empty folder; the file lands somewhere under it.

    Returns:
        The downloaded file. Its content is unchecked.

    Raises:
        FetchError: it can't be had.
    """
    # Only the very first start needs jgo, and it takes 0.3 s with all that it imports.
    from jgo.maven import MavenContext  # noqa: PLC0415

    # jgo warns of a bad SHA-1 and goes on. The caller's check is the one that counts, and it speaks for itself.
    logging.getLogger("jgo").setLevel(logging.ERROR)
    group, artifact, version = coordinate.split(":")
    problem: Exception | None = None
    for attempt in range(_TRIES):
        time.sleep(_PAUSE_SECONDS * attempt)
        # A folder per try: jgo takes a file that a broken download left for the whole one.
        context = MavenContext(repo_cache=folder / str(attempt), timeout=_TIMEOUT_SECONDS)
        try:
            return context.project(group, artifact).at_version(version).artifact().resolve()
        except (OSError, RuntimeError) as exc:
            # requests' errors are OSErrors; jgo says RuntimeError for any answer but 200.
            problem = exc
    raise FetchError(str(problem)) from problem

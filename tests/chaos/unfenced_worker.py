"""A worker whose step into Redis refuses nothing, neither a stale epoch nor a batch that was applied: a saboteur.

A kill test that calls a run with it exact could not find anything. Usage: as worker_program.py.
"""

from __future__ import annotations

import hashlib
import sys

from monitor.adapters import redis_trends
from monitor.adapters.redis_connection import Client, Script

_FENCES = 3


class UnfencedScript(Script):
    """A Lua script; `apply` without the lines that refuse a batch."""

    def __init__(self, client: Client, name: str) -> None:
        super().__init__(client, name)
        if name == "apply":
            self._text = without_fences(self._text)
            self._digest = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()


def without_fences(text: str) -> str:
    """A script without the lines that return before anything is written."""
    lines = text.splitlines()
    fences = [line for line in lines if line.startswith("if ") and "then return {'" in line]
    if len(fences) < _FENCES:
        raise AssertionError(f"the script has fences of another form than is known here; known: {fences}")
    return "\n".join(line for line in lines if line not in fences)


if __name__ == "__main__":
    redis_trends.Script = UnfencedScript  # type: ignore[attr-defined]
    from tests import worker_program

    sys.exit(worker_program.main())

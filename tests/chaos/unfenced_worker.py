"""A worker whose step into Redis refuses nothing, neither a stale epoch nor a batch that was applied: a saboteur.

A kill test that calls a run with it exact could not find anything. Usage: as worker_program.py.
"""

from __future__ import annotations

import sys

from monitor.adapters import redis_connection

FENCES = 3
_script = redis_connection.script


def unfenced(name: str) -> str:
    """A Lua script, without the lines that refuse a batch if it is `apply`."""
    text = _script(name)
    if name != "apply":
        return text
    fences = [line for line in text.splitlines() if line.startswith("if ") and "return {'" in line]
    if len(fences) < FENCES:
        raise AssertionError(f"apply.lua has other fences than were to be removed: {fences}")
    return "\n".join(line for line in text.splitlines() if line not in fences)


if __name__ == "__main__":
    redis_connection.script = unfenced
    from tests import worker_program

    sys.exit(worker_program.main())

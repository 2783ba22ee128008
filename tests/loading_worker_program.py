"""`monitor worker`, as worker_program.py has it, with models that are never done loading."""

from __future__ import annotations

import sys
import threading

from monitor.ports import Classifier
from tests.worker_program import run_worker


def load(seconds_per_text: float) -> Classifier:
    """Never returns, and can't be told to."""
    while True:
        threading.Event().wait()


if __name__ == "__main__":
    sys.exit(run_worker(load))

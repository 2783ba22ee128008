"""`monitor worker`, the command as it is shipped, with a classifier that gives every text the same score.

Usage: python -m tests.benchmarks.null_worker SECONDS_PER_TEXT [further arguments of `monitor worker`]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from monitor.adapters.system_clock import SystemClock
from monitor.messages import ModelInput, Score
from tests.worker_program import run_worker

VERSION = "null-1"
CONSTANT = Score("Macro", 0.9, "neutral", (0.1, 0.8, 0.1), VERSION)


class NullClassifier:
    """Implements Classifier.

    Args:
        seconds_per_text: how much slower than nothing it is.
    """

    version = VERSION
    languages = frozenset({"en"})
    on_gpu = False  # where a command runs it in RoutedClassifier's place

    def __init__(self, seconds_per_text: float = 0.0) -> None:
        self._seconds_per_text = seconds_per_text
        self._clock = SystemClock()

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """See Classifier."""
        if self._seconds_per_text:
            self._clock.wait_seconds(self._seconds_per_text * len(inputs))
        return [CONSTANT] * len(inputs)


if __name__ == "__main__":
    sys.exit(run_worker(NullClassifier))

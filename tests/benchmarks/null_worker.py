"""`monitor worker`, the command as it is shipped, with a classifier that gives every text the same score.

Usage: python -m tests.benchmarks.null_worker SECONDS_PER_TEXT [further arguments of `monitor worker`]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

from monitor import cli
from monitor.adapters.system_clock import SystemClock
from monitor.messages import ModelInput, Score

VERSION = "null-1"
CONSTANT = Score("Macro", 0.9, "neutral", (0.1, 0.8, 0.1), VERSION)


class NullClassifier:
    """Implements Classifier.

    Args:
        seconds_per_text: how much slower than nothing it is.
    """

    version = VERSION
    languages = frozenset({"en"})

    def __init__(self, seconds_per_text: float = 0.0) -> None:
        self._seconds_per_text = seconds_per_text
        self._clock = SystemClock()

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """See Classifier."""
        if self._seconds_per_text:
            self._clock.wait_seconds(self._seconds_per_text * len(inputs))
        return [CONSTANT] * len(inputs)


def main() -> int:
    """Puts the classifier in the model's place and runs the command."""
    seconds_per_text, *arguments = sys.argv[1:]
    stand_in = ModuleType("monitor.adapters.routed_classifier")
    stand_in.load_classifier = lambda *_, **__: NullClassifier(float(seconds_per_text))  # type: ignore[attr-defined]
    sys.modules[stand_in.__name__] = stand_in
    return cli.main(["worker", *arguments])


if __name__ == "__main__":
    sys.exit(main())

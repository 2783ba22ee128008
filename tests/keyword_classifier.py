"""A classifier for tests: a word decides, so that what must be counted is known without the model.

"Topic: profit falls at plant 1" is negative, "rises" positive, anything else neutral; the topic stands before the colon.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.adapters.system_clock import SystemClock
from monitor.errors import ClassifierError
from monitor.messages import ModelInput, Score

UNSCORABLE = "unscorable"
VERSION = "keywords-1"
# Negative, neutral, positive; exact in decimal, so that polarity sums are.
PROBABILITIES = {
    "negative": (0.8, 0.15, 0.05),
    "neutral": (0.1, 0.8, 0.1),
    "positive": (0.05, 0.15, 0.8),
}


class KeywordClassifier:
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
        """See Classifier; a batch with an unscorable text fails as a whole."""
        if self._seconds_per_text:
            self._clock.wait_seconds(self._seconds_per_text * len(inputs))
        if any(UNSCORABLE in one.text for one in inputs):
            raise ClassifierError("a text is unscorable")
        return [_score(one.text) for one in inputs]


def _score(text: str) -> Score:
    words = text.split()
    sentiment = "negative" if "falls" in words else "positive" if "rises" in words else "neutral"
    return Score(text.partition(":")[0], 0.9, sentiment, PROBABILITIES[sentiment], VERSION)

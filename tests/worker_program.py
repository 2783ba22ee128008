"""`monitor worker`, the command as it is shipped, with a classifier that needs no model: its process can be killed.

Usage: worker_program.py SECONDS_PER_TEXT [further arguments of `monitor worker`]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

from monitor import cli
from monitor.ports import Classifier
from tests.keyword_classifier import KeywordClassifier


def main() -> int:
    """Runs the command with keywords in the model's place."""
    return run_worker(KeywordClassifier)


def run_worker(classifier: Callable[[float], Classifier]) -> int:
    """Runs the command with a classifier, made from its seconds per text, in the model's place."""
    seconds_per_text, *arguments = sys.argv[1:]
    stand_in = ModuleType("monitor.adapters.routed_classifier")
    stand_in.load_classifier = lambda *_, **__: classifier(float(seconds_per_text))  # type: ignore[attr-defined]
    sys.modules[stand_in.__name__] = stand_in
    return cli.main(["worker", *arguments])


if __name__ == "__main__":
    sys.exit(main())

"""`monitor worker`, the command as it is shipped, with a classifier that needs no model: its process can be killed.

Usage: worker_program.py SECONDS_PER_TEXT [further arguments of `monitor worker`]
"""

from __future__ import annotations

import sys
from types import ModuleType

from monitor import cli
from tests.keyword_classifier import KeywordClassifier


def main() -> int:
    """Puts the classifier in the model's place and runs the command."""
    seconds_per_text, *arguments = sys.argv[1:]
    stand_in = ModuleType("monitor.adapters.routed_classifier")
    stand_in.load_classifier = lambda *_, **__: KeywordClassifier(float(seconds_per_text))  # type: ignore[attr-defined]
    sys.modules[stand_in.__name__] = stand_in
    return cli.main(["worker", *arguments])


if __name__ == "__main__":
    sys.exit(main())

"""Files of our own writing that measure and never teach: `own/*blind*`, and `own/*development*`, which choose models."""

from __future__ import annotations

import csv

from pipelines.datasets.examples import Example, as_served
from pipelines.datasets.load import load_examples
from pipelines.training.recipe import OWN, OWN_FOLDER, measures_only


def blind_examples() -> list[Example]:
    """The texts of those that hold texts; of others' headlines only hashes are kept, which tell of no near-duplicate."""
    found = []
    for path in sorted(OWN_FOLDER.glob("*.csv")):
        if not measures_only(OWN + path.name):
            continue
        with path.open(encoding="utf-8", newline="") as handle:
            columns = next(csv.reader(handle), [])
        if "text" in columns:
            found += load_examples(path, "labelled_csv")
    return as_served(found)

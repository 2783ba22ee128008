"""`python -m pipelines.sample_feed OUT_DIR`: writes the sample feed and its manifest."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipelines.sample_feed.job import SEED, write_labels, write_sample


def main() -> None:
    """Reads the command line and runs the job."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.sample_feed", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for sample.jsonl and sample.manifest.json")
    parser.add_argument("--seed", type=int, default=SEED, help="the same seed writes the same bytes (%(default)s)")
    parser.add_argument("--labels", type=Path, help="also write each document's intended labels to this CSV file")
    options = parser.parse_args()
    manifest = write_sample(options.out, options.seed)
    if options.labels:
        write_labels(options.labels, options.seed)
    print(f"{manifest['documents']} documents in {options.out / manifest['feed']}")


if __name__ == "__main__":
    main()

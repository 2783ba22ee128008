"""`make bench`: runs the measurements and prints their tables."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.machine import describe_machine
from tests.benchmarks.path import measure_path


def main() -> None:
    """Reads the command line, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    args = parser.parse_args()
    console = Console()
    machine = describe_machine()
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), highlight=False)
    figures = measure_path(console)
    _show(console, figures)
    if args.json:
        args.json.write_text(json.dumps({"machine": machine, "path": figures}, indent=2) + "\n", encoding="utf-8")


def _show(console: Console, figures: dict[str, Any]) -> None:
    full = figures["full_speed"]
    table = Table(title=f"Whole path, one worker: {full['documents']} documents in {full['seconds']} s, "
                        f"{full['documents_per_second']} a second")  # fmt: skip
    for heading in ("stage", "documents", "seconds", "documents/s"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage, row in full["stages"].items():
        table.add_row(stage, f"{row['documents']:,.0f}", f"{row['seconds']:.2f}", f"{row['documents_per_second']:,.0f}")
    console.print(table)
    delays = Table(title="Produce to trend, seconds")
    for heading in ("documents/s", "documents", "p50", "p95", "p99"):
        delays.add_column(heading, justify="right")
    for row in figures["steady"]:
        quantiles = (row[f"p{q}_seconds"] for q in (50, 95, 99))
        delays.add_row(
            f"{row['documents_per_second']:g}", str(row["documents"]), *(f"{q:.3f}" if q else "–" for q in quantiles)
        )
    console.print(delays)
    console.print("resident memory: " + ", ".join(f"{n} {mib} MiB" for n, mib in figures["resident_mib"].items()))


if __name__ == "__main__":
    main()

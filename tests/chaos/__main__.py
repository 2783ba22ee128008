"""`make chaos`: kills workers, brokers and Redis at random under load, counts again, prints a table.

Exit code 0 only if nothing was lost, nothing counted twice and no worker ended otherwise than it should; with --sabotage,
where the workers have no fences, or each remembers for itself what it has seen, or gives back claims that others count on,
only if that was found out.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.machine import describe_machine
from tests.chaos.arenas import Arena, ClusterArena, SingleArena
from tests.chaos.campaign import Campaign, Outcome
from tests.chaos.fleet import FORGETFUL, GENEROUS, UNFENCED
from tests.chaos.recount import share_of

# By what is broken: what happens then. Workers without fences, and those that give back claims, are found when they wake up
# after others have taken over, those that remember for themselves as soon as there are two.
_SABOTAGE = {"claims": "worker_frozen", "fences": "worker_frozen", "memory": "worker_added"}


def main() -> int:
    """Reads the command line, runs, prints; returns the exit code."""
    args = _arguments()
    console = Console()
    machine = describe_machine()
    seed = secrets.randbelow(2**32) if args.seed is None else args.seed
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), highlight=False)
    console.print(f"seed {seed}: the same --seed draws the same events and writes the same documents", highlight=False)
    in_clusters = 0 if args.sabotage else round(args.events * args.clusters)
    counts = ((SingleArena, args.events - in_clusters), (ClusterArena, in_clusters))
    outcomes = [_run(arena, count, seed, args, console) for arena, count in counts if count]
    _show(console, outcomes)
    if args.json:
        figures = {"date": machine["date"], "machine": machine, "seed": seed, "sabotage": args.sabotage}
        args.json.write_text(json.dumps(figures | _figures(outcomes), indent=2) + "\n", encoding="utf-8")
    if args.sabotage:
        found = any(outcome.verdict.double or outcome.verdict.lost for outcome in outcomes)
        console.print("the saboteurs were found" if found else "the saboteurs were NOT found: the verdict is worthless")
        return 0 if found else 1
    return 0 if all(outcome.sound for outcome in outcomes) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=200, metavar="N", help="how many things happen (default 200)")
    parser.add_argument(
        "--clusters",
        type=float,
        default=0.4,
        metavar="SHARE",
        help="share of them that happens to three brokers and a Valkey cluster (default 0.4)",
    )
    parser.add_argument("--rate", type=float, default=120.0, metavar="N", help="documents a second (default 120)")
    parser.add_argument("--seed", type=int, metavar="N", help="default: a new one, which is printed")
    parser.add_argument("--only", type=_words, default=[], metavar="KIND,...", help="draw events of these kinds alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and events")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="where servers and logs live (default: temporary)")
    parser.add_argument(
        "--sabotage",
        nargs="?",
        const="fences",
        choices=sorted(_SABOTAGE),
        help="workers without fences (default), without a memory in common, or whose claims have none: to be found out",
    )
    args = parser.parse_args()
    if args.events < 1 or not 0 <= args.clusters <= 1 or args.rate <= 0:
        parser.error("--events must be at least 1, --clusters in 0..1, --rate above 0")
    if args.json and not args.json.absolute().parent.is_dir():
        parser.error(f"--json: there is no folder {args.json.absolute().parent}")
    return args


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _run(
    kind: type[SingleArena | ClusterArena], count: int, seed: int, args: argparse.Namespace, console: Console
) -> Outcome:
    temporary = tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True)
    with nullcontext(args.run_dir / kind.name) if args.run_dir else temporary as folder:

        def say(line: str) -> None:
            console.print(line, style="dim", highlight=False, markup=False)

        with kind(Path(folder), say) as arena:
            if args.sabotage:
                saboteurs = _saboteurs(arena, seed, say, args)
                return saboteurs.run(count, args.only or [_SABOTAGE[args.sabotage]])
            return Campaign(arena, seed, say, rate=args.rate).run(count, args.only)


def _saboteurs(arena: Arena, seed: int, say: Callable[[str], None], args: argparse.Namespace) -> Campaign:
    """Where an epoch is to be over they mostly have a batch in hand, and time enough to wake up with it one after another."""
    if args.sabotage == "memory":
        return Campaign(arena, seed, say, rate=args.rate, program=FORGETFUL)
    program = GENEROUS if args.sabotage == "claims" else UNFENCED
    return Campaign(
        arena, seed, say, rate=args.rate, workers=3, program=program, seconds_per_text=0.004, most_waiting=0
    )


def _figures(outcomes: list[Outcome]) -> dict[str, Any]:
    """What the JSON file holds besides where and when."""
    arenas = {}
    for outcome in outcomes:
        wanted = outcome.wanted
        arenas[outcome.arena] = {
            "events": len(outcome.events),
            "seconds": outcome.seconds,
            **asdict(outcome.verdict),
            "exact": outcome.verdict.exact,
            "records": wanted.records,
            "repeated": wanted.repeated,
            "scattered_documents": wanted.scattered_documents,
            "scattered_stories": wanted.scattered_stories,
            "marked": len(wanted.counts.marked),
            "unreadable": len(wanted.unreadable),
            "unscorable": len(wanted.unscorable),
            "absent": wanted.absent,
            "resent": outcome.resent,
            "recovery_seconds": _recoveries(outcome),
            "logged": dict(outcome.logged),
            "gave_up": outcome.gave_up,
            "stuck": [event.number for event in outcome.stuck],
            "surprises": outcome.surprises,
            "log": [asdict(event) for event in outcome.events],
        }
    totals = {name: sum(arena[name] for arena in arenas.values()) for name in ("events", "documents", "lost", "double")}
    return {**totals, "exact": all(outcome.sound for outcome in outcomes), "arenas": arenas}


def _recoveries(outcome: Outcome) -> dict[str, float | None]:
    seen = [event.recovery_seconds for event in outcome.events if event.recovery_seconds is not None]
    return {"p50": share_of(seen, 0.5), "p95": share_of(seen, 0.95), "max": max(seen, default=None)}


def _show(console: Console, outcomes: list[Outcome]) -> None:
    table = Table(title="Counts in Redis against an independent count over the raw topic")
    for heading in ("arena", "events", "documents", "lost", "double", "refused", "recovery s"):
        table.add_column(heading, justify="left" if heading == "arena" else "right", no_wrap=True)
    for outcome in outcomes:
        verdict, recovery = outcome.verdict, _recoveries(outcome)
        refused = sum(number for name, number in outcome.logged.items() if name.startswith("refused_"))
        spread = f"{recovery['p50']} … {recovery['max']}"
        figures = (len(outcome.events), f"{verdict.documents:,}", verdict.lost, verdict.double, refused, spread)
        table.add_row(outcome.arena, *map(str, figures))
    console.print(table)
    console.print(
        "refused: batches that Redis took from no stale worker, or not a second time; recovery: from an event until every"
        " partition has moved on, median … longest, with other events in between",
        style="dim",
    )
    for outcome in outcomes:
        wanted, logged = outcome.wanted, ", ".join(f"{name} {count}" for name, count in sorted(outcome.logged.items()))
        console.print(
            f"{outcome.arena}: {outcome.seconds:.0f} s, {wanted.records:,} records, {wanted.repeated} of them a document"
            f" once more, {len(wanted.unreadable)} unreadable, {len(wanted.unscorable)} unscorable;"
            f" {wanted.scattered_documents} documents and {wanted.scattered_stories} stories are in several partitions,"
            f" {len(wanted.counts.marked)} documents have counters of their own;"
            f" {logged}",
            highlight=False,
        )
        _show_faults(console, outcome)


def _show_faults(console: Console, outcome: Outcome) -> None:
    verdict = outcome.verdict
    for what, count in (
        ("acknowledged documents are not in the raw topic", outcome.wanted.absent),
        ("counters differ", verdict.cells),
        ("faults in the stories behind subjects", verdict.stories),
        ("accepted documents are not in the scored topic", verdict.not_scored),
        ("records are not in the dead-letter topic", verdict.not_dead),
        ("records are wrongly in the dead-letter topic", verdict.wrongly_dead),
    ):
        if count:
            console.print(f"{outcome.arena}: {count} {what}", highlight=False)
    for line in (*verdict.examples, *outcome.surprises):
        console.print(f"{outcome.arena}: {line}", highlight=False, markup=False)
    for event in outcome.stuck:
        console.print(f"{outcome.arena}: a partition did not move after event {event.number}, {event.kind}")


if __name__ == "__main__":
    sys.exit(main())

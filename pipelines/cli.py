"""Command line: `pipelines replay | train | sample-feed`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from monitor.cli import run_command, settings_arguments
from monitor.settings import Settings
from pipelines.replay import add_arguments, options_from

_DEFAULT_RECIPE = Path(__file__).parent / "training" / "recipes" / "default_en.toml"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0 done, 1 not as it should be, 2 a setting or a file, 3 an outage."""
    return run_command(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pipelines", description="Jobs around the sentiment monitor.")
    shared = settings_arguments()
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    replay = commands.add_parser("replay", parents=[shared], help="put a feed through the live path")
    add_arguments(replay)
    replay.add_argument(
        "--own-services",
        action="store_true",
        help="start an embedded Kafka and Valkey and a worker for this replay alone",
    )
    replay.set_defaults(run=_replay)
    train = commands.add_parser("train", parents=[shared], help="fine-tune a topic and sentiment model by a recipe")
    train.add_argument("--recipe", type=Path, default=_DEFAULT_RECIPE, metavar="FILE.toml", help="default: %(default)s")
    train.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder that the recipe's files are in")
    train.add_argument("--encoder", metavar="PATH_OR_NAME", help="in place of the recipe's encoder")
    train.add_argument("--out", type=Path, required=True, metavar="DIR", help="model folder to write")
    train.set_defaults(run=_train)
    sample = commands.add_parser("sample-feed", parents=[shared], help="write the demo's sample feed")
    sample.add_argument("out", type=Path, metavar="DIR")
    sample.add_argument("--labels", type=Path, metavar="FILE.csv", help="also write each document's intended labels")
    sample.set_defaults(run=_sample_feed)
    return parser


def _replay(args: argparse.Namespace, settings: Settings) -> int:
    from pipelines.replay.through import replay_through  # noqa: PLC0415 - other commands need no broker library

    arguments = [] if args.config is None else ["--config", str(args.config)]
    for flag in args.set or ():
        arguments += ["--set", flag]
    return replay_through(options_from(args), settings, Console(), arguments, own_services=args.own_services)


def _train(args: argparse.Namespace, settings: Settings) -> int:
    from pipelines.training.run import run_recipe  # noqa: PLC0415 - torch takes seconds to import

    heads = run_recipe(args.recipe, args.data, args.encoder, args.out)
    for file, row in heads["held_out"].items():
        print(file, json.dumps({key: value for key, value in row.items() if key != "by_class"}))
    return 0


def _sample_feed(args: argparse.Namespace, settings: Settings) -> int:
    from pipelines.sample_feed.job import SEED, write_labels, write_sample  # noqa: PLC0415

    manifest = write_sample(args.out, SEED)
    if args.labels:
        write_labels(args.labels, SEED)
    print(f"{manifest['documents']} documents in {args.out / manifest['feed']}")
    return 0

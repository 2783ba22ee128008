"""Command line: `pipelines replay | dead-letters | encoder | train | evaluate | export | labels | sample-feed`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from monitor.cli import run_command, settings_arguments
from monitor.settings import Settings
from pipelines.dead_letters import add_dead_letter_commands
from pipelines.encoders import add_encoder_arguments
from pipelines.evaluation import add_evaluation_arguments, evaluation_options
from pipelines.labels import add_label_commands
from pipelines.replay import add_arguments, options_from
from pipelines.training import add_export_arguments, add_training_arguments, run_options


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
    letters = commands.add_parser("dead-letters", help="documents that could not be read or scored: look, send again")
    add_dead_letter_commands(letters, shared)
    letters.set_defaults(run=_dead_letters)
    train = commands.add_parser("train", parents=[shared], help="fine-tune a model by a recipe")
    add_training_arguments(train)
    train.set_defaults(run=_train)
    evaluate = commands.add_parser("evaluate", parents=[shared], help="measure a model on labelled text")
    add_evaluation_arguments(evaluate)
    evaluate.set_defaults(run=_evaluate)
    encoder = commands.add_parser("encoder", parents=[shared], help="get a pretrained encoder without a model hub")
    add_encoder_arguments(encoder)
    export = commands.add_parser("export", parents=[shared], help="write one head as a plain Hugging Face checkpoint")
    add_export_arguments(export)
    export.set_defaults(run=_export)
    labels = commands.add_parser(
        "labels", help="documents worth labelling out to analysts, their answers into training"
    )
    add_label_commands(labels)
    labels.set_defaults(run=_labels)
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


def _dead_letters(args: argparse.Namespace, settings: Settings) -> int:
    from pipelines.dead_letters.commands import run  # noqa: PLC0415 - other commands need no broker library

    return run(args, settings, Console())


def _train(args: argparse.Namespace, settings: Settings) -> int:
    from pipelines.training.run import run_recipe  # noqa: PLC0415 - torch takes seconds to import

    told = run_recipe(args.recipe, run_options(args))
    for file, figures in told["held_out"].items():
        for task, row in figures.items():
            if isinstance(row, dict):
                kept = {key: value for key, value in row.items() if key not in ("by_class", "by_type", "by_tag")}
                print(file, task, json.dumps(kept))
    return 0


def _evaluate(args: argparse.Namespace, settings: Settings) -> int:
    options = evaluation_options(args)
    from pipelines.evaluation.run import evaluate  # noqa: PLC0415

    evaluate(options, Console())
    return 0


def _export(args: argparse.Namespace, settings: Settings) -> int:
    from pipelines.training.export import export_head  # noqa: PLC0415

    export_head(args.model, args.task, args.out)
    print(f"{args.task} head of {args.model} in {args.out}")
    return 0


def _labels(args: argparse.Namespace, settings: Settings) -> int:
    from pipelines.labels.commands import run  # noqa: PLC0415

    return run(args, settings)


def _sample_feed(args: argparse.Namespace, settings: Settings) -> int:
    from pipelines.sample_feed.job import SEED, write_labels, write_sample  # noqa: PLC0415

    manifest = write_sample(args.out, SEED)
    if args.labels:
        write_labels(args.labels, SEED)
    print(f"{manifest['documents']} documents in {args.out / manifest['feed']}")
    return 0

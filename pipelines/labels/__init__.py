"""The loop back from analysts to training: documents worth asking about out, answers into a versioned training set.

export (ask): scored documents -> candidates -> strategies -> Label Studio tasks, noted in the ledger ·
import (take_in): answer_files -> answers -> label_set, guarded by evaluation · commands: the command line.
"""

from __future__ import annotations

import argparse
from pathlib import Path

STRATEGIES = ("margin", "disagreement", "alerts")
LAST = 20_000  # messages that are read from Kafka where nothing else is said


def add_label_commands(parser: argparse.ArgumentParser) -> None:
    """Adds the commands of `pipelines labels`; `commands.run` runs the one that is chosen."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    settings = _settings_arguments()
    _add_export(actions.add_parser("export", parents=[settings], help="write documents worth labelling as tasks"))
    _add_import(actions.add_parser("import", parents=[settings], help="take answers into the label set"))
    config = actions.add_parser("config", parents=[settings], help="write Label Studio's labelling config")
    config.add_argument("--out", type=Path, required=True, metavar="FILE.xml", help="a file that isn't there yet")
    _add_model(config)
    fix = actions.add_parser("fix-evaluation", parents=[settings], help="keep a file's texts out of the set for good")
    fix.add_argument("file", type=Path, metavar="FILE")
    fix.add_argument("--kind", help="format of FILE (default: guessed)")
    _add_set(fix)
    _add_set(actions.add_parser("status", parents=[settings], help="versions of the label set, and counts"))


def _settings_arguments() -> argparse.ArgumentParser:
    """As every command has them, but that --set is the label set here."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: $MONITOR_CONFIG)")
    shared.add_argument(
        "--setting", dest="set", action="append", metavar="SECTION.KEY=VALUE", help="one setting; may be repeated"
    )
    return shared


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="TASKS.json", help="a file that isn't there yet")
    _add_set(parser)
    parser.add_argument(
        "--scored", type=Path, metavar="FILE.jsonl", help="news.scored messages, one a line (default: from Kafka)"
    )
    parser.add_argument("--since", metavar="DATE", help="published at or after; a day or a time, UTC")
    parser.add_argument("--until", metavar="DATE", help="published before; a day is included")
    parser.add_argument(
        "--last",
        type=int,
        metavar="N",
        help=f"the newest N messages (default from Kafka, without --since, --until: {LAST:,})",
    )
    parser.add_argument("--limit", type=int, default=200, metavar="N", help="most tasks (default: %(default)s)")
    parser.add_argument(
        "--strategies",
        type=lambda text: tuple(part.strip() for part in text.split(",") if part.strip()),
        metavar="A,B",
        help=f"of {', '.join(STRATEGIES)}, each with an equal share (default: all that have their data)",
    )
    parser.add_argument(
        "--alerts", type=Path, metavar="FILE.json", help="a saved /api/spikes (default: the spikes in Redis)"
    )
    parser.add_argument("--predictions", action="store_true", help="show annotators what the model says")
    _add_evaluation(parser, "texts that no task may repeat")


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="ANSWERS", help="Label Studio's JSON export, or doccano's JSONL")
    _add_set(parser)
    parser.add_argument("--format", choices=("label_studio", "doccano"), help="default: by the content")
    parser.add_argument(
        "--on-conflict",
        choices=("error", "majority", "skip"),
        default="error",
        help="annotators who contradict each other: an error (default), what most of them say, or leave the document out",
    )
    _add_evaluation(parser, "texts that no answer may repeat")
    _add_model(parser)


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--set", dest="label_set", type=_folder, required=True, metavar="DIR", help="the label set")


def _folder(text: str) -> Path:
    """The type of --set, which takes a setting with every other command."""
    if "=" in text:
        raise argparse.ArgumentTypeError(f"{text}: the label set's folder is expected; a setting is --setting {text}")
    return Path(text)


def _add_evaluation(parser: argparse.ArgumentParser, meaning: str) -> None:
    parser.add_argument(
        "--evaluation",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help=f"{meaning}, besides those fixed in the set",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="model folder that names the topics (default: shipped)"
    )

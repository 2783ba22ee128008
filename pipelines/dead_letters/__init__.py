"""Dead letters seen and sent again: letters -> filters -> shown (list, show) or put back on the raw topic (replay).

filters: which letters · showing: safe to print · replay: what is sent again, and what isn't · commands: the command line.
"""

from __future__ import annotations

import argparse

AGAIN = (
    "replay those that were replayed before too; a document that was counted longer than ingest.story_horizon_hours ago "
    "counts again"
)
SHOWN = 50  # letters that `list` shows where nothing else is said


def add_dead_letter_commands(parser: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    """Adds the commands of `pipelines dead-letters`; `commands.run` runs the one that is chosen.

    Args:
        parser: of `pipelines dead-letters`.
        shared: the flags that every command has.
    """
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", parents=[shared], help="the newest letters, and how many there are")
    _add_filters(listing)
    listing.add_argument(
        "--limit", type=int, metavar="N", help=f"most letters shown (default: {SHOWN}; with --json all)"
    )
    listing.add_argument("--json", action="store_true", help="one JSON object a line, whole, oldest first by partition")
    show = actions.add_parser("show", parents=[shared], help="one letter, whole")
    show.add_argument("letter", metavar="PARTITION:OFFSET", help="its place in the dead-letter topic, as `list` says")
    show.add_argument("--json", action="store_true", help="as a JSON object, bytes that are no text in base64")
    replay = actions.add_parser("replay", parents=[shared], help="put letters back on the raw topic, unchanged")
    _add_filters(replay)
    replay.add_argument("--limit", type=int, metavar="N", help="most letters replayed (default: all)")
    replay.add_argument("--dry-run", action="store_true", help="say what would be replayed; write nothing")
    replay.add_argument("--again", action="store_true", help=AGAIN)
    replay.add_argument("--json", action="store_true", help="one JSON object a letter and a last one with the sums")


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", action="append", metavar="R", help="died of this reason; may be repeated")
    parser.add_argument("--partition", type=int, metavar="N", help="was read from this partition of the raw topic")
    parser.add_argument("--since", metavar="TIME", help="died at or after; a day or a time, UTC")
    parser.add_argument("--until", metavar="TIME", help="died before; a day is included")
    parser.add_argument("--contains", metavar="TEXT", help="this text is in value, key or detail, whatever its case")
    parser.add_argument(
        "--letter", action="append", metavar="PARTITION:OFFSET", help="this very letter; may be repeated"
    )

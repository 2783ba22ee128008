"""Puts a real feed (a file of headlines with publication times) through the same Kafka path as live documents.

readers: file -> rows · times, mapping, presets: row -> news.raw message · player: order, pace, send ·
weeks: trends -> weekly tables. `replay` runs it, `add_arguments` and `options_from` are its command line.
"""

from pipelines.replay.options import ReplayOptions, add_arguments, options_for, options_from
from pipelines.replay.player import Destination
from pipelines.replay.run import replay
from pipelines.replay.summary import ReplaySummary
from pipelines.replay.weeks import read_report, save_report, show_report, wait_until_applied

__all__ = [
    "Destination",
    "ReplayOptions",
    "ReplaySummary",
    "add_arguments",
    "options_for",
    "options_from",
    "read_report",
    "replay",
    "save_report",
    "show_report",
    "wait_until_applied",
]

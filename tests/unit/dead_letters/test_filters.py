"""Laws of the filter: every condition that is given must hold, and one that can't is refused by name."""

from __future__ import annotations

import argparse

import pytest

from monitor.errors import ConfigError
from pipelines.cli import main
from pipelines.dead_letters import add_dead_letter_commands
from pipelines.dead_letters.filters import LetterFilter, filter_from
from tests.builders import ms
from tests.unit.dead_letters.written import letter


def parsed(*flags: str) -> LetterFilter:
    """What the flags of `replay` ask for."""
    parser = argparse.ArgumentParser()
    add_dead_letter_commands(parser, argparse.ArgumentParser(add_help=False))
    return filter_from(parser.parse_args(["replay", *flags]))


def test_without_flags_every_letter_matches() -> None:
    """One without headers, key or value too."""
    bare = letter(value=None, key=None, source_topic=None, reason=None, detail=None)
    assert parsed().matches(letter())
    assert parsed().matches(bare)


@pytest.mark.parametrize(
    ("flags", "offsets"),
    [
        (("--reason", "bad_time"), {1}),
        (("--reason", "bad_time", "--reason", "model_failed"), {1, 2}),
        (("--partition", "1"), {0, 1}),
        (("--since", "2026-03-04"), {1, 2}),
        (("--until", "2026-03-04"), {0, 1}),
        (("--since", "2026-03-04T00:00:00Z", "--until", "2026-03-05T00:00:00Z"), {1}),
        (("--letter", "0:2", "--letter", "0:0"), {0, 2}),
        (("--contains", "ölpreis"), {0, 2}),
        (("--contains", "ÖLPREIS"), {0, 2}),
        (("--contains", "📈"), {2}),
        (("--contains", "ends early"), {0, 1, 2}),
        (("--contains", "wire-7"), {1}),
        (("--contains", "ölpreis", "--partition", "1"), {0}),
        (("--contains", "nowhere"), set()),
    ],
)
def test_all_conditions_must_hold(flags: tuple[str, ...], offsets: set[int]) -> None:
    """Times go by when it died, the partition by where it was read, text by value, key and detail."""
    letters = [
        letter(0, value="Ölpreis".encode(), timestamp_ms=ms("2026-03-03T23:59:59Z")),
        letter(1, key=b"wire-7", value=b"\xff\xfe", reason="bad_time", timestamp_ms=ms("2026-03-04T00:00:00Z")),
        letter(
            2,
            value=b'{"title": "\\u00f6lpreis \\ud83d\\udcc8"}',
            reason="model_failed",
            source_partition="0",
            timestamp_ms=ms("2026-03-05T00:00:00Z"),
        ),
    ]
    assert {one.offset for one in letters if parsed(*flags).matches(one)} == offsets


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--reason", "typo"), "--reason typo: no such reason; reasons: empty_message, oversized"),
        (("--partition", "-1"), "--partition -1"),
        (("--since", "soon"), "--since soon"),
        (("--since", "2026-03-05", "--until", "2026-03-04"), "nothing lies between"),
        (("--contains", ""), "--contains"),
        (("--letter", "17"), "--letter '17': PARTITION:OFFSET"),
        (("--letter", "0:-1"), "PARTITION:OFFSET"),
    ],
)
def test_a_flag_that_cannot_be_meant_is_refused_by_name(
    flags: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any server is asked; exit code 2."""
    with pytest.raises(ConfigError):
        parsed(*flags)
    assert main(["dead-letters", "list", *flags]) == 2
    assert said in capsys.readouterr().err

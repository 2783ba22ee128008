"""Laws of the logs: one line an event; what a call gives besides its text can be searched for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from monitor.logs import configure_logs
from monitor.messages import ApplyResult
from monitor.settings import LogSettings


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leaves the root logger as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_lines_have_partition_and_offset_as_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the message that the text form has; lines stay lines."""
    configure_logs(LogSettings(json_lines=True))
    extra = {"partition": 3, "offset": 17, "epoch": 2, "reason": ApplyResult.GAP}
    logging.getLogger("monitor.x").warning("partition %d: refused\nat once", 3, extra=extra)
    (line,) = capsys.readouterr().err.splitlines()
    fields = json.loads(line)
    assert fields.pop("time")
    assert fields == {
        "level": "WARNING",
        "logger": "monitor.x",
        "message": "partition 3: refused\nat once",
        "partition": 3,
        "offset": 17,
        "epoch": 2,
        "reason": "gap",
    }


def test_text_lines_have_them_in_the_message_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """For people to read."""
    configure_logs(LogSettings())
    logging.getLogger("monitor.x").warning("partition %d refused", 3, extra={"partition": 3})
    assert capsys.readouterr().err.endswith("WARNING monitor.x: partition 3 refused\n")


def test_an_error_is_one_field_of_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With its stack, however long."""
    configure_logs(LogSettings(json_lines=True))
    try:
        raise ValueError("no such thing")
    except ValueError:
        logging.getLogger("monitor.x").exception("it failed", extra={"partition": 1})
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["error"].endswith("ValueError: no such thing")

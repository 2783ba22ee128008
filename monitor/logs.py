"""Logs on standard error: one line an event, as text or JSON; the libraries' own chatter only from WARNING on."""

from __future__ import annotations

import json
import logging
import sys

from monitor.settings import LogSettings

# What a record has anyway; anything else was given as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _JsonLines(logging.Formatter):
    """One object a line; what a call gives as `extra` (partition, offset, epoch, reason) becomes fields of it."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logs(settings: LogSettings) -> None:
    """Sets up the root logger."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(_JsonLines() if settings.json_lines else text)
    logging.basicConfig(level=settings.level, handlers=[handler], force=True)
    for name in ("kafka", "uvicorn", "httpx", "transformers"):
        logging.getLogger(name).setLevel(max(logging.WARNING, getattr(logging, settings.level)))

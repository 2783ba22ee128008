"""What can go wrong, grouped by what the caller does next.

MonitorError
├─ ConfigError             stop at start-up, say which key
├─ InvalidMessageError     dead-letter, go on
├─ TransientError          retry with backoff, offsets stay uncommitted
└─ ClassifierError         a batch failed: split it, dead-letter the culprit; never score it neutral
"""

from __future__ import annotations

# Why a message can't be read: the values of `reason` of InvalidMessageError that the worker counts.
INVALID_REASONS = (
    "empty_message",
    "oversized",
    "not_utf8",
    "not_json",
    "not_an_object",
    "bad_field",
    "no_text",
    "bad_time",
    "no_zone",
)
# Why a document can't be scored: the same of ClassifierError.
CLASSIFIER_REASONS = ("model_failed", "not_finite")
DEAD_LETTER_REASONS = (*INVALID_REASONS, *CLASSIFIER_REASONS)


class MonitorError(Exception):
    """Base of everything the monitor raises on purpose.

    Attributes:
        reason: a word out of a bounded set; it is also the value of the metric label `reason`.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class ConfigError(MonitorError):
    """A setting is wrong or something it names is missing: stop at start-up."""

    def __init__(self, message: str, *, reason: str = "config") -> None:
        super().__init__(message, reason=reason)


class InvalidMessageError(MonitorError):
    """A message that can never be read: dead-letter it with this reason, one of `INVALID_REASONS`, and go on."""


class TransientError(MonitorError):
    """An outside system failed for now: retry with backoff; offsets stay where they are."""


class ClassifierError(MonitorError):
    """A batch could not be classified, for one of `CLASSIFIER_REASONS`: split it until the culprit is alone."""

    def __init__(self, message: str, *, reason: str = "model_failed") -> None:
        super().__init__(message, reason=reason)

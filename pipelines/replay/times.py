"""Reads the times that feeds print, and places days that come without a time.

Guarantees: a time is read in one way or refused, never guessed (17/07/2020 needs a format); independent of the locale;
local times that a clock change makes ambiguous mean their first pass.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from monitor.errors import ConfigError, InvalidMessageError

DayTime = Literal["end", "noon", "spread"]
DAY_TIMES: tuple[DayTime, ...] = ("end", "noon", "spread")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SECONDS = re.compile(r"\d{9,10}(?:\.\d+)?")
_MILLISECONDS = re.compile(r"\d{12,13}(?:\.\d+)?")
_CHINESE_DAY = re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日")
_COMMENT = re.compile(r"\([^)]*\)")
_SPLIT = re.compile(r"[,\s]+")
_DAY = re.compile(r"(\d{4})([-/])(\d{1,2})\2(\d{1,2})")
_YEAR = re.compile(r"\d{4}")
_DAY_OF_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(am|pm)?")
_OFFSET = re.compile(r"(?:gmt|utc)?([+-])(\d{1,2})(?::?(\d{2}))?")
_MERIDIEM = {"am": "am", "a.m.": "am", "pm": "pm", "p.m.": "pm"}
_WEEKDAYS = {
    name: index
    for index, names in enumerate(
        (
            "mon monday",
            "tue tues tuesday",
            "wed weds wednesday",
            "thu thur thurs thursday",
            "fri friday",
            "sat saturday",
            "sun sunday",
        )
    )
    for name in names.split()
}
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january",
            "feb february",
            "mar march",
            "apr april",
            "may",
            "jun june",
            "jul july",
            "aug august",
            "sep sept september",
            "oct october",
            "nov november",
            "dec december",
        ),
        start=1,
    )
    for name in names.split()
}
_US_ZONES = {"et": "America/New_York", "ct": "America/Chicago", "mt": "America/Denver", "pt": "America/Los_Angeles"}
# The abbreviations of RFC 2822, and those of other markets that mean one thing only; CST is the American one.
_ZONE_HOURS = {
    "z": 0, "ut": 0, "utc": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6,
    "pst": -8, "pdt": -7, "bst": 1, "cet": 1, "cest": 2, "hkt": 8, "sgt": 8, "jst": 9, "kst": 9,
}  # fmt: skip


def parse_time(value: object, zone: tzinfo, formats: Sequence[str] = ()) -> int | date:
    """Reads a publication time.

    Args:
        value: text or a number; numbers are seconds or milliseconds since the Unix epoch, by their size.
        zone: holds for times that name none.
        formats: strptime formats, tried in order before the forms that are recognised by themselves: ISO 8601,
            epochs, RFC 2822, and written dates such as "7:51 PM ET Fri, 17 July 2020" or "2020年7月17日 19:51".

    Returns:
        Milliseconds since the Unix epoch, or a date where only the day is known.

    Raises:
        InvalidMessageError: `no_time` where the value is empty, `bad_time` where it can't be read.
    """
    text = _as_text(value)
    try:
        for candidate in formats:
            found = _by_format(text, candidate)
            if found is not None:
                return found if not isinstance(found, datetime) else instant_ms(found, zone)
        return _recognised(text, zone)
    except (ValueError, OverflowError) as exc:
        raise InvalidMessageError(f"time {text[:80]!r} can't be read: {exc}", reason="bad_time") from exc


def instant_ms(moment: datetime, zone: tzinfo) -> int:
    """Milliseconds since the Unix epoch; `zone` holds where `moment` has none."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return (aware.astimezone(UTC) - _EPOCH) // _MILLISECOND


def iso(instant: int) -> str:
    """Milliseconds since the Unix epoch as ISO 8601 in UTC, with Z."""
    moment = _EPOCH + timedelta(milliseconds=instant)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds" if instant % 1000 else "seconds") + "Z"


def day_start_ms(day: date, zone: tzinfo) -> int:
    """The first instant of a local day."""
    return instant_ms(datetime.combine(day, time()), zone)


def bound_ms(flag: str, text: str | None, zone: tzinfo, days: int) -> int | None:
    """Reads a flag that bounds times: an instant as it is; a day stands for its start, or with `days` = 1 for its end.

    Raises:
        ConfigError: it is no time; names the flag.
    """
    if text is None:
        return None
    try:
        when = parse_time(text, zone)
        return day_start_ms(when + timedelta(days=days), zone) if isinstance(when, date) else when
    except (InvalidMessageError, OverflowError, ValueError) as exc:
        raise ConfigError(f"{flag} {text}: {exc}") from exc


def day_of(instant: int, zone: tzinfo) -> date:
    """The local day in which an instant falls."""
    return (_EPOCH + timedelta(milliseconds=instant)).astimezone(zone).date()


def place_day(day: date, zone: tzinfo, day_time: DayTime, text: str) -> int:
    """Chooses the instant for a document of which only the day is known.

    "end" is 23:59:59: whatever the day brought was known by then, so a decision made on it looks at nothing that was
    still to come, and it is the default. "noon" keeps day and week the same in UTC for nearly every zone. "spread"
    puts the document anywhere in the day by a hash of its text, so that hourly load looks natural; the times are
    invented, and measuring lead time on them, or on noon, would be measuring the invention.
    """
    start = day_start_ms(day, zone)
    if day_time == "noon":
        return instant_ms(datetime.combine(day, time(12)), zone)
    end = day_start_ms(day + timedelta(days=1), zone)
    if day_time == "end":
        return end - 1000
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    seconds = (end - start) // 1000
    return start + int.from_bytes(digest, "big") % seconds * 1000


def _as_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise InvalidMessageError(f"a time must be text or a number, not {value!r:.80}", reason="bad_time")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = " ".join(str(value if value is not None else "").split())
    if not text:
        raise InvalidMessageError("no time", reason="no_time")
    return text


def _by_format(text: str, candidate: str) -> datetime | date | None:
    try:
        moment = datetime.strptime(text, candidate)
    except ValueError:
        return None
    named = set(re.findall(r"%-?([a-zA-Z])", candidate.replace("%%", "")))
    return moment if named & set("HIcXs") else moment.date()


def _recognised(text: str, zone: tzinfo) -> int | date:
    if _SECONDS.fullmatch(text):
        return int(Decimal(text) * 1000)
    if _MILLISECONDS.fullmatch(text):
        return int(Decimal(text))
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return instant_ms(datetime.fromisoformat(text), zone)
    except ValueError:
        return _Written(text).read(zone)


class _Written:
    """A date written in words; each of its words must be understood, and none may come twice."""

    def __init__(self, text: str) -> None:
        self.parts: dict[str, int] = {}
        self.meridiem = ""
        self.clock: tuple[int, int, int] | None = None
        self.zone: tzinfo | None = None
        plain = _COMMENT.sub(" ", _CHINESE_DAY.sub(r"\1-\2-\3 ", text)).lower()
        for word in filter(None, _SPLIT.split(plain)):
            takers = (self._take_name, self._take_clock, self._take_number, self._take_zone)
            if not any(take(word) for take in takers):
                raise ValueError(f"{word!r} isn't understood")

    def read(self, zone: tzinfo) -> int | date:
        """The instant, or the day where no time of day was written."""
        missing = [name for name in ("year", "month", "day") if name not in self.parts]
        if missing:
            raise ValueError(f"no {missing[0]}")
        day = date(self.parts["year"], self.parts["month"], self.parts["day"])
        if self.parts.get("weekday", day.weekday()) != day.weekday():
            raise ValueError("the weekday is another one")
        if self.clock is None:
            if self.meridiem or self.zone:
                raise ValueError("no time of day")
            return day
        hour, minute, second = self.clock
        if self.meridiem:
            if not 1 <= hour <= 12:
                raise ValueError(f"{hour} is no hour of twelve")
            hour = hour % 12 + (12 if self.meridiem == "pm" else 0)
        return instant_ms(datetime.combine(day, time(hour, minute, second)), self.zone or zone)

    def _put(self, name: str, value: int) -> bool:
        if name in self.parts:
            raise ValueError(f"two values for the {name}")
        self.parts[name] = value
        return True

    def _take_name(self, word: str) -> bool:
        bare = word.rstrip(".")
        if bare in _WEEKDAYS:
            return self._put("weekday", _WEEKDAYS[bare])
        if bare in _MONTHS:
            return self._put("month", _MONTHS[bare])
        if word in _MERIDIEM and not self.meridiem:
            self.meridiem = _MERIDIEM[word]
            return True
        return False

    def _take_clock(self, word: str) -> bool:
        match = _CLOCK.fullmatch(word)
        if match is None or self.clock is not None or (match[4] and self.meridiem):
            return False
        self.clock = (int(match[1]), int(match[2]), int(match[3] or 0))
        self.meridiem = match[4] or self.meridiem
        return True

    def _take_number(self, word: str) -> bool:
        if match := _DAY.fullmatch(word):
            year, month, day = int(match[1]), int(match[3]), int(match[4])
            return self._put("year", year) and self._put("month", month) and self._put("day", day)
        if _YEAR.fullmatch(word):
            return self._put("year", int(word))
        match = _DAY_OF_MONTH.fullmatch(word)
        return match is not None and self._put("day", int(match[1]))

    def _take_zone(self, word: str) -> bool:
        if self.zone is not None:
            return False
        if word in _US_ZONES:
            self.zone = ZoneInfo(_US_ZONES[word])
        elif word in _ZONE_HOURS:
            self.zone = timezone(timedelta(hours=_ZONE_HOURS[word]))
        elif match := _OFFSET.fullmatch(word):
            offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
            self.zone = timezone(-offset if match[1] == "-" else offset)
        return self.zone is not None

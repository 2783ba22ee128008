"""Laws of reading times and of placing days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import InvalidMessageError
from pipelines.replay.times import DAY_TIMES, DayTime, day_of, instant_ms, iso, parse_time, place_day

NEW_YORK = ZoneInfo("America/New_York")
SHANGHAI = ZoneInfo("Asia/Shanghai")
UTC_ZONE = ZoneInfo("UTC")


def read(value: object, zone: ZoneInfo = UTC_ZONE, *formats: str) -> str:
    """The time as ISO, whichever it was: an instant or a day."""
    when = parse_time(value, zone, formats)
    return iso(when) if isinstance(when, int) else when.isoformat()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (" 7:51  PM ET Fri, 17 July 2020", "2020-07-17T23:51:00Z"),  # summer: UTC-4
        ("11:12  AM ET Thu, 20 Sept 2018", "2018-09-20T15:12:00Z"),
        (" 6:52  PM ET Fri, 22 Dec 2017", "2017-12-22T23:52:00Z"),  # winter: UTC-5
        ("12:05 AM ET Mon, 20 July 2020", "2020-07-20T04:05:00Z"),
        ("12:05 PM ET Mon, 20 July 2020", "2020-07-20T16:05:00Z"),
        ("Fri, 17 Jul 2020 19:51:00 -0400", "2020-07-17T23:51:00Z"),
        ("Fri, 17 Jul 2020 19:51:00 -0400 (EDT)", "2020-07-17T23:51:00Z"),
        ("Fri, 17 Jul 2020 23:51:00 GMT", "2020-07-17T23:51:00Z"),
        ("July 17, 2020 7:51 p.m. EDT", "2020-07-17T23:51:00Z"),
        ("17 July 2020 7:51pm UTC+08:00", "2020-07-17T11:51:00Z"),
        ("2020-07-17T23:51:00Z", "2020-07-17T23:51:00Z"),
        ("2020-07-17T19:51:00.250-04:00", "2020-07-17T23:51:00.250Z"),
        ("2020-07-17 23:51", "2020-07-17T23:51:00Z"),
        ("2020-07-17 23:51:00 UTC", "2020-07-17T23:51:00Z"),
        ("2020/7/17 19:51 ET", "2020-07-17T23:51:00Z"),
        ("2020年7月17日 19:51", "2020-07-17T19:51:00Z"),
        ("1595029860", "2020-07-17T23:51:00Z"),
        ("1595029860.5", "2020-07-17T23:51:00.500Z"),
        (1595029860, "2020-07-17T23:51:00Z"),
        (1595029860000.0, "2020-07-17T23:51:00Z"),
        ("1595029860250", "2020-07-17T23:51:00.250Z"),
        ("2020-07-17", "2020-07-17"),
        ("20200717", "2020-07-17"),
        ("2020年7月17日", "2020-07-17"),
        ("Friday 17th July, 2020", "2020-07-17"),
    ],
)
def test_common_forms_are_recognised(written: object, expected: str) -> None:
    """Feeds' own ways of writing times are read without a format."""
    assert read(written) == expected


@pytest.mark.parametrize(
    "written",
    ["17/07/2020", "12 07 2020", "yesterday", "7:51 PM", "13:51 PM ET Fri, 17 July 2020", "Sat, 17 July 2020",
     "30 Feb 2020", "17 July 2020 7:51 XYZ", "17 18 July 2020", "July 2020 7:51 PM ET", "17 July 2020 ET", "0", "-5",
     "999999999999999", True, [2020, 7, 17]],
)  # fmt: skip
def test_what_is_not_understood_is_refused_not_guessed(written: object) -> None:
    """An ambiguous or broken time is `bad_time`."""
    with pytest.raises(InvalidMessageError) as caught:
        parse_time(written, UTC_ZONE)
    assert caught.value.reason == "bad_time"


@pytest.mark.parametrize("written", [None, "", "  \t"])
def test_a_missing_time_is_told_from_a_bad_one(written: object) -> None:
    """An empty cell is `no_time`."""
    with pytest.raises(InvalidMessageError) as caught:
        parse_time(written, UTC_ZONE)
    assert caught.value.reason == "no_time"


def test_the_zone_holds_only_where_the_time_names_none() -> None:
    """Local time follows the given zone through its clock changes; a stated zone wins."""
    assert read("2020-07-17 12:00", NEW_YORK) == "2020-07-17T16:00:00Z"
    assert read("2020-01-17 12:00", NEW_YORK) == "2020-01-17T17:00:00Z"
    assert read("2020-07-17 12:00+02:00", NEW_YORK) == "2020-07-17T10:00:00Z"
    assert read("1:30 AM ET Sun, 1 Nov 2020") == "2020-11-01T05:30:00Z"  # comes twice: the first pass


def test_formats_come_first_and_in_their_order() -> None:
    """A given format reads what would be refused; one without an hour gives a day; the rest is still recognised."""
    assert read("17/07/2020 19:51", NEW_YORK, "%d/%m/%Y %H:%M") == "2020-07-17T23:51:00Z"
    assert read("03/04/2020", UTC_ZONE, "%d/%m/%Y", "%m/%d/%Y") == "2020-04-03"
    assert read("2020-04-03T00:00:00Z", UTC_ZONE, "%d/%m/%Y") == "2020-04-03T00:00:00Z"


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.sampled_from([UTC_ZONE, NEW_YORK, SHANGHAI]))
@settings(deadline=None)
def test_iso_survives_the_round_trip(moment: datetime, zone: ZoneInfo) -> None:
    """What `iso` writes, `parse_time` reads as the same millisecond, whatever the zone."""
    instant = instant_ms(moment.replace(tzinfo=UTC), zone)
    assert parse_time(iso(instant), zone) == instant


@given(
    st.dates(date(1990, 1, 1), date(2090, 1, 1)),
    st.sampled_from([UTC_ZONE, NEW_YORK, SHANGHAI]),
    st.sampled_from(DAY_TIMES),
    st.text(max_size=40),
)
@settings(deadline=None)
def test_a_placed_day_stays_that_day(day: date, zone: ZoneInfo, day_time: DayTime, text: str) -> None:
    """Wherever a day's document is placed, it is within the local day, and there again the next time."""
    placed = place_day(day, zone, day_time, text)
    assert day_of(placed, zone) == day
    assert place_day(day, zone, day_time, text) == placed


def test_the_end_of_a_day_is_its_last_second_on_days_of_23_and_25_hours() -> None:
    """Nothing of a day is known before it is over."""
    assert iso(place_day(date(2020, 3, 8), NEW_YORK, "end", "")) == "2020-03-09T03:59:59Z"
    assert iso(place_day(date(2020, 11, 1), NEW_YORK, "end", "")) == "2020-11-02T04:59:59Z"
    assert iso(place_day(date(2020, 7, 17), SHANGHAI, "noon", "")) == "2020-07-17T04:00:00Z"


def test_spreading_fills_the_day() -> None:
    """Documents of one day fall into nearly all of its hours."""
    day = date(2020, 7, 17)
    start = instant_ms(datetime(2020, 7, 17), UTC)
    placed = {(place_day(day, UTC_ZONE, "spread", f"story {n}") - start) // 3_600_000 for n in range(500)}
    assert placed == set(range(24))
    assert timedelta(hours=max(placed)) < timedelta(days=1)

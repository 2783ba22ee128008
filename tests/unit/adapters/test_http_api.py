"""Laws of the JSON API: what it says is what the snapshot holds, no data is null, and wrong questions are told why."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from monitor.adapters.http_api import Api, console_file
from monitor.adapters.http_server import Answer, NotFoundError
from monitor.adapters.memory_trends import MemoryTrends
from monitor.errors import InvalidMessageError, TransientError
from monitor.overview import Overview
from monitor.settings import Settings
from tests.builders import HOUR_MS, NOW_MS, news_with_a_surge, scored, trends_of
from tests.fakes import ManualClock

SETTINGS = Settings()
READ_AGO_MS = 3000  # how long before the question Redis was read


def api_over(trends: MemoryTrends, failure: str | None = None) -> Api:
    """The API over one snapshot of some trends."""
    overview = Overview(trends, SETTINGS, ManualClock())
    snapshot = overview.refresh()
    return Api(
        SETTINGS,
        now_ms=lambda: NOW_MS + READ_AGO_MS,
        newest=lambda: snapshot,
        failure=lambda: failure,
        timeline=overview.whole_timeline,
        stories=lambda subject, hours, limit: trends.stories(
            subject, NOW_MS - round(hours * HOUR_MS), NOW_MS + 1, limit
        ),
    )


@cache
def surging() -> Api:
    """Ordinary news with a surge in its last minutes."""
    return api_over(trends_of(news_with_a_surge(), partitions=2))


def beginning() -> Api:
    """The very first document."""
    return api_over(trends_of([scored("a", "neutral", published_ms=NOW_MS - 2 * HOUR_MS)]))


def told(answer: Answer) -> tuple[int, Any]:
    """Status and JSON body."""
    return answer.status, json.loads(answer.body)


def strict(value: Any) -> Any:
    """What a browser reads: NaN and infinity are no JSON."""
    return json.loads(json.dumps(value, allow_nan=False))


@pytest.mark.parametrize("make", [surging, beginning, lambda: api_over(MemoryTrends())])
def test_every_answer_is_json(make: Any) -> None:
    """With much data, with hardly any, with none."""
    api = make()
    for path in ("/api/status", "/api/spikes", "/api/subjects"):
        strict(api.routes()[path]({}))
    for dimension in ("topic", "entity", "all"):
        for row in strict(api.subjects({"dimension": dimension}))["subjects"]:
            strict(api.timeline({"dimension": dimension, "key": row["key"], "hours": "48"}))


def test_status_tells_how_far_the_data_reach() -> None:
    """Documents are positions added up; history is told against what a judgement needs."""
    status = strict(surging().status({}))
    assert (status["now"], status["refreshed"]) == ("2026-03-04T12:00:03Z", "2026-03-04T12:00:00Z")
    assert status["documents"] == len(news_with_a_surge())
    assert [row["partition"] for row in status["partitions"]] == [0, 1]
    assert status["spikes_on"] == 2
    assert status["unsupported"] == {"zh": 3}
    assert status["history_hours"] > status["min_history_hours"]


def test_before_the_first_document_there_is_no_time_of_one() -> None:
    """Null, not 1970."""
    trends = MemoryTrends()
    trends.assign(0, 0)
    status = strict(api_over(trends).status({}))
    assert (status["last_published"], status["partitions"][0]["last_published"]) == (None, None)


def test_subjects_list_spikes_first_and_then_by_how_much_they_turned() -> None:
    """A subject without a change to speak of comes last."""
    rows = strict(surging().subjects({}))["subjects"]
    assert [row["key"] for row in rows] == ["Earnings", "Macro"]
    assert rows[0]["spike"]["active"]
    assert rows[0]["spike"]["since"].startswith("2026-03-04T11:")
    assert (rows[1]["spike"]["active"], rows[1]["spike"]["since"]) == (False, None)


def test_windows_add_up_over_kinds() -> None:
    """Stories by sentiment, documents with their reprints."""
    row = strict(surging().subjects({}))["subjects"][0]
    for window in row["windows"]:
        assert window["stories"] == window["negative"] + window["neutral"] + window["positive"]
        assert window["documents"] == window["stories"] + 3
        assert -1 <= window["polarity"] <= 1
    assert [window["hours"] for window in row["windows"]] == [1.0, 6.0, 24.0]


def test_no_data_is_null_and_not_zero() -> None:
    """No polarity without stories, no spike without history, no turn without a past."""
    row = strict(beginning().subjects({}))["subjects"][0]
    assert row["spike"] is None
    assert row["turn"] == {"polarity_now": 0.0, "polarity_before": None, "change": None, "hours": 6}
    assert [window["polarity"] for window in row["windows"]] == [None, 0.0, 0.0]
    points = strict(beginning().timeline({"key": "Earnings"}))["points"]
    assert {(point["expected"], point["upper"], point["score"]) for point in points} == {(None, None, None)}
    assert {point["observed"] for point in points} == {0}


def test_a_timeline_has_a_point_a_step_and_its_subjects_spikes() -> None:
    """The last so many hours, each step with its expectation."""
    answer = strict(surging().timeline({"dimension": "topic", "key": "Earnings", "hours": "2"}))
    assert (answer["step_seconds"], len(answer["points"])) == (60, 120)
    assert answer["points"][-1]["at"] == "2026-03-04T12:01:00Z"
    assert all(point["expected"] is not None for point in answer["points"])
    assert [(spike["key"], spike["active"], spike["end"]) for spike in answer["spikes"]] == [("Earnings", True, None)]


def test_spikes_come_with_their_stories() -> None:
    """Most told first, with how many documents told each."""
    spikes = strict(surging().spikes({}))["spikes"]
    assert {(spike["dimension"], spike["key"]) for spike in spikes} == {("topic", "Earnings"), ("entity", "AAPL")}
    story = next(spike for spike in spikes if spike["dimension"] == "topic")["stories"][0]
    assert story["documents"] == 4
    fields = {"story", "title", "source", "url", "kind", "published", "documents", "negative_probability"}
    assert set(story) == fields


def test_stories_are_limited_to_the_hours_and_the_number_asked_for() -> None:
    """Negative ones only."""
    api = surging()
    assert len(strict(api.stories({"key": "Earnings", "limit": "5"}))["stories"]) == 5
    hour = strict(api.stories({"key": "Earnings", "hours": "1", "limit": "200"}))["stories"]
    day = strict(api.stories({"key": "Earnings", "hours": "24", "limit": "200"}))["stories"]
    assert 24 <= len(hour) < len(day)
    assert all(story["published"] >= "2026-03-04T11:00:00Z" for story in hour)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/subjects", {"dimension": "theme"}),
        ("/api/timeline", {"key": "Earnings", "hours": "many"}),
        ("/api/timeline", {"key": "Earnings", "hours": "-1"}),
        ("/api/timeline", {"key": "Earnings", "hours": "nan"}),
        ("/api/timeline", {"key": "Earnings", "hours": "49"}),
        ("/api/timeline", {"key": "Earnings", "hours": "inf"}),
        ("/api/stories", {"key": "Earnings", "limit": "0"}),
        ("/api/stories", {"key": "Earnings", "limit": "100000"}),
    ],
)
def test_a_wrong_question_is_told_what_is_expected(path: str, query: dict[str, str]) -> None:
    """Becomes a 400 that names the parameter."""
    with pytest.raises(InvalidMessageError) as caught:
        surging().routes()[path](query)
    assert not isinstance(caught.value, NotFoundError)
    assert any(name in str(caught.value) for name in query)


@pytest.mark.parametrize("query", [{"key": "Weather"}, {}, {"dimension": "entity", "key": "Earnings"}])
@pytest.mark.parametrize("path", ["/api/timeline", "/api/stories"])
def test_an_unknown_subject_is_not_found(path: str, query: dict[str, str]) -> None:
    """Becomes a 404, not an empty chart."""
    with pytest.raises(NotFoundError):
        surging().routes()[path](query)


def test_while_redis_is_away_nothing_is_answered_as_if_it_were_new() -> None:
    """Becomes a 503 with the reason."""
    api = api_over(trends_of([scored()]), failure="Redis can't be read")
    for path in ("/api/status", "/api/subjects", "/api/spikes"):
        with pytest.raises(TransientError, match="Redis can't be read"):
            api.routes()[path]({})
    health: Answer = api.health({})
    assert health.status == 503
    assert told(api.ready({})) == (
        503,
        {"status": "not ready", "missing": ["redis"], "why": "Redis can't be read"},
    )
    assert surging().health({}).status == 200
    assert told(surging().ready({})) == (200, {"status": "ready"})


@pytest.mark.parametrize(
    ("failure", "why"),
    [(None, "nothing has been read from Redis yet"), ("Redis at r:1 does not answer: refused",) * 2],
    ids=["not asked yet", "asked in vain"],
)
def test_before_the_first_snapshot_it_is_alive_and_not_ready(failure: str | None, why: str) -> None:
    """It says why on both routes, and answers no question about trends."""
    api = Api(
        SETTINGS, lambda: NOW_MS, lambda: None, lambda: failure, lambda subject: pytest.fail("asked"), lambda *_: []
    )
    starting = {"status": "starting", "missing": ["redis"], "why": why}
    assert told(api.health({})) == (200, starting)
    assert told(api.ready({})) == (503, starting)
    with pytest.raises(TransientError, match=why):
        api.status({})


@pytest.mark.parametrize("name", ["../http_api.py", "http_api.py", "", "console", "index.html/../x.html", "nothing.js"])
def test_only_the_consoles_own_files_are_served(name: str) -> None:
    """No path leads out of its folder."""
    with pytest.raises(NotFoundError):
        console_file(name)


def test_the_console_is_served() -> None:
    """The page and its content type."""
    page = console_file("index.html")
    assert page.content_type == "text/html; charset=utf-8"
    assert b"<html" in page.body

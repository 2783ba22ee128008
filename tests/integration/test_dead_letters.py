"""Dead letters as an operator meets them: a worker writes them, the commands list, show and replay them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import redis
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from monitor.adapters.kafka_connection import ensure_topics
from monitor.adapters.kafka_sink import KafkaSink
from monitor.adapters.redis_replayed import RedisReplayed
from monitor.errors import ClassifierError
from monitor.messages import DeadLetter, ModelInput, RawRecord, Score
from monitor.settings import Settings
from pipelines.cli import main
from tests.builders import NOW_MS
from tests.conftest import ROOT, SettingsFactory
from tests.fakes import ManualClock
from tests.integration.topics import produce, read_all
from tests.integration.workers import ThreadWorker, stored_counts, wait_until_applied
from tests.keyword_classifier import KeywordClassifier
from tests.settings_flags import flags_of

PUBLISHED = "2026-01-02T03:04:05Z"


class MendableClassifier(KeywordClassifier):
    """Fails on "broken" until it is mended."""

    mended = False

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """See Classifier."""
        if not self.mended and any("broken" in one.text for one in inputs):
            raise ClassifierError("a text is broken")
        return super().classify(inputs)


@pytest.fixture
def settings(make_settings: SettingsFactory, admin: KafkaAdminClient) -> Settings:
    """The test's topics, made as a worker makes them."""
    settings = make_settings()
    ensure_topics(admin, settings.kafka)
    return settings


def news(id: str, title: str, text: str = "") -> bytes:
    """A `news.raw` message that was fetched when it was published."""
    return json.dumps({"id": id, "title": title, "text": text, "published": PUBLISHED, "fetched": PUBLISHED}).encode()


def send(settings: Settings, *messages: tuple[bytes | None, bytes | None]) -> None:
    """Writes them into the raw topic, all into partition 1."""
    produce(settings.kafka.bootstrap_servers, settings.kafka.raw_topic, messages, partition=1)


def bury(settings: Settings, *letters: DeadLetter) -> None:
    """Writes dead letters as a worker does."""
    sink = KafkaSink(settings.kafka, ManualClock())
    sink.publish_dead(letters)
    sink.flush()
    sink.close()


def dead(offset: int, value: bytes | None = b"{", reason: str = "not_json", **changes: Any) -> DeadLetter:
    """A letter from partition 1."""
    return DeadLetter(RawRecord(1, offset, b"key", value, NOW_MS, **changes), reason, "why it died")


def command(settings: Settings, *arguments: str) -> int:
    """Runs `pipelines dead-letters`."""
    action, *rest = arguments
    return main(["dead-letters", action, *flags_of(settings), *rest])


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What the command said, as JSON lines."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def read(settings: Settings, topic: str) -> list[Any]:
    """All records of a topic."""
    return read_all(settings.kafka.bootstrap_servers, topic)


def documents(settings: Settings, measure: str = "documents") -> int:
    """How many the trends count."""
    return sum(
        amount
        for (seconds, _, dimension, _, _, name), amount in stored_counts(settings).items()
        if (seconds, dimension, name) == (60, "all", measure)
    )


def test_a_letter_of_the_model_counts_once_it_is_mended_and_replayed(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its reprints told its story meanwhile; a letter that dies again says that it was tried twice."""
    classifier = MendableClassifier()
    send(
        settings,
        (b"k", news("a", "Earnings: profit falls at plant 17 badly", "broken")),
        (b"\xff", b"\x00 no json"),
        (None, news("b", "Earnings: profit falls at plant 17 badly")),
    )
    with ThreadWorker(settings, classifier) as worker:
        wait_until_applied(settings)
        assert (documents(settings), documents(settings, "stories")) == (1, 1)
        classifier.mended = True
        assert command(settings, "replay") == 0
        assert "2 letters replayed" in capsys.readouterr().out
        wait_until_applied(settings)
        assert (documents(settings), documents(settings, "stories")) == (2, 1)
        assert command(settings, "replay", "--again", "--reason", "model_failed") == 0
        wait_until_applied(settings)
        assert (documents(settings), documents(settings, "stories")) == (2, 1)
        assert worker.metric("sentiment_repeated_documents_total") == 1
    raw = read(settings, settings.kafka.raw_topic)
    assert [(r.partition, r.key, r.value) for r in raw[3:5]] == [(1, r.key, r.value) for r in raw[:2]] or [
        (r.key, r.value) for r in raw[3:5]
    ] == [(r.key, r.value) for r in (raw[1], raw[0])]
    letters = [dict(record.headers) for record in read(settings, settings.kafka.dead_topic) if record.key == b"\xff"]
    assert [one["attempts"] for one in letters] == [b"1", b"2"]
    assert {one["source-timestamp-ms"] for one in letters} == {str(raw[1].timestamp).encode()}


def test_a_replayed_document_is_as_old_as_its_letter(settings: Settings) -> None:
    """It was available when its record first came in, not when it was replayed."""
    first_ms = 1_767_323_000_000  # 2026-01-02T03:03:20Z
    value = json.dumps({"title": "Earnings: profit falls", "published": PUBLISHED}).encode()
    record = RawRecord(1, 3, b"k", value, NOW_MS, first_timestamp_ms=first_ms)
    bury(settings, DeadLetter(record, "model_failed", ""))
    assert command(settings, "replay") == 0
    with ThreadWorker(settings):
        wait_until_applied(settings)
    (scored,) = read(settings, settings.kafka.scored_topic)
    message = json.loads(scored.value)
    assert (message["available"], message["published"]) == ("2026-01-02T03:03:20.000Z",) * 2


def test_list_counts_all_letters_and_shows_the_newest(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """By reason; as JSON they come whole."""
    bury(settings, *(dead(i) for i in range(30)), dead(30, b"\xff\xfe", "not_utf8"), dead(31, None, "empty_message"))
    assert command(settings, "list", "--limit", "5") == 0
    assert "5 of 32 letters: 30 not_json, 1 not_utf8, 1 empty_message" in capsys.readouterr().out
    assert command(settings, "list", "--json", "--reason", "not_utf8", "--reason", "empty_message") == 0
    values = [{name: one[name] for name in one if name.startswith("value")} for one in told(capsys)]
    assert sorted(values, key=str) == [{"value": None}, {"value_base64": "//4="}]
    assert command(settings, "list", "--json", "--limit", "3") == 0
    assert len(told(capsys)) == 3
    assert command(settings, "list", "--partition", "0") == 0
    assert "no dead letter matches" in capsys.readouterr().out


def test_show_prints_one_letter_whole(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """By the place that `list` says; one that isn't there is exit code 2, with the places that are."""
    bury(settings, dead(7, b"\x1b[2Jwiped \xff" + b"x" * 1000, attempts=4))
    assert command(settings, "list", "--json") == 0
    (place,) = [one["letter"] for one in told(capsys)]
    assert command(settings, "show", place) == 0
    shown = capsys.readouterr().out
    for part in ("\\x1b[2Jwiped \\xff" + "x" * 1000, f"letter {place} of", "source-offset", "attempts", "why it died"):
        assert part in shown
    assert "\x1b" not in shown
    assert command(settings, "show", place, "--json") == 0
    (fields,) = told(capsys)
    assert (fields["letter"], fields["headers"]["attempts"], fields["key"]) == (place, "4", "key")
    partition = place.partition(":")[0]
    assert command(settings, "show", f"{partition}:1") == 2
    assert f"partition {partition} of {settings.kafka.dead_topic} holds offsets 0 to 0" in capsys.readouterr().err
    assert command(settings, "show", "9:0") == 2
    assert "has partitions 0 to 1" in capsys.readouterr().err


def test_replay_says_what_it_skips_and_repeats_nothing_by_accident(
    settings: Settings, admin: KafkaAdminClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cut, empty and too large letters are named, exit code 1; a dry run writes nothing; letters written twice are one."""
    limit = ConfigResource(ConfigResourceType.TOPIC, settings.kafka.raw_topic, {"max.message.bytes": "500000"})
    admin.alter_configs([limit])
    cut, large = dead(1, b"x" * 5_000_000, "oversized"), dead(2, b"y" * 600_000)
    bury(settings, dead(0), cut, large, dead(3, None), dead(4), dead(4))
    fates = [{"replayed": 3, "its value was cut": 1, "it has no bytes": 1, "the same record as one before it": 1}]
    assert command(settings, "replay", "--json", "--dry-run") == 1
    assert told(capsys)[-1] == {"dry_run": True, "letters": fates[0]}
    assert read(settings, settings.kafka.raw_topic) == []
    assert command(settings, "replay", "--json") == 1
    *lines, sums = told(capsys)
    fate_of = {line["from"]: line["fate"] for line in lines if line["fate"] != "the same record as one before it"}
    topic = settings.kafka.raw_topic
    assert fate_of == {
        f"{topic} 1:0": "replayed",
        f"{topic} 1:1": "its value was cut",
        f"{topic} 1:2": "the raw topic takes no record so large",
        f"{topic} 1:3": "it has no bytes",
        f"{topic} 1:4": "replayed",
    }
    assert sums["letters"]["replayed"] == 2
    assert command(settings, "replay", "--json") == 1
    assert told(capsys)[-1]["letters"]["replayed before"] >= 2
    assert command(settings, "replay", "--again", "--limit", "1") == 0
    said = capsys.readouterr().out
    assert "1 letter replayed" in said
    assert "72 hours ago (ingest.story_horizon_hours) count again" in said
    assert "attempt 1, from" in said
    assert command(settings, "replay") == 1
    said = capsys.readouterr().out
    assert said.count("can't replay") == 3
    assert "0 letters replayed" in said
    assert "3 skipped: replayed before" in said or "2 skipped: replayed before" in said
    records = read(settings, topic)
    assert [(record.partition, record.key, record.value) for record in records] == [(1, b"key", b"{")] * 3
    headers = dict(records[0].headers)
    assert headers.pop("replay-of").startswith(settings.kafka.dead_topic.encode() + b"/")
    assert headers == {"attempts": b"1", "source-timestamp-ms": str(NOW_MS).encode()}


def test_the_ledger_tells_records_apart_by_topic_partition_and_offset(redis_client: redis.Redis, name: str) -> None:
    """Across the borders of its chunks; noting twice is as good as once, and nothing is kept for ever."""
    ledger = RedisReplayed(redis_client, name)
    noted = {("a.raw", 0, 511), ("a.raw", 0, 512), ("a.raw", 1, 0), ("b.raw", 0, 10**14)}
    others = {("a.raw", 0, 510), ("a.raw", 0, 513), ("a.raw", 1, 512), ("b.raw", 0, 511), ("b.raw", 0, 10**14 + 512)}
    assert ledger.known(noted | others) == ledger.known(set()) == set()
    for _ in range(2):
        ledger.note(noted)
        assert ledger.known(noted | others) == noted
    ttls = [redis_client.ttl(key) for key in redis_client.scan_iter(f"{name}:*")]
    assert len(ttls) == 4
    assert all(399 * 86_400 < int(ttl) <= 400 * 86_400 for ttl in ttls)


def test_a_reader_that_has_seen_enough_ends_the_list(settings: Settings) -> None:
    """As `| head` does: no traceback, exit code 1."""
    bury(settings, *(dead(i, b"x" * 5000) for i in range(100)))
    program = "import sys; from pipelines.cli import main; sys.exit(main(sys.argv[1:]))"
    argv = [sys.executable, "-c", program, "dead-letters", "list", *flags_of(settings), "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        assert listing.stdout.readline().startswith(b'{"letter"')
        listing.stdout.close()
        assert b"Traceback" not in listing.stderr.read()
        assert listing.wait(timeout=30) == 1


def test_a_missing_topic_or_server_is_said_by_its_setting(
    make_settings: SettingsFactory, capsys: pytest.CaptureFixture[str], refused_connections: None
) -> None:
    """Exit code 2."""
    assert command(make_settings(), "list") == 2
    assert "(setting kafka.dead_topic)" in capsys.readouterr().err
    gone = make_settings(redis={"url": "redis://127.0.0.1:1/0", "connect_timeout_seconds": 0.1})
    assert command(gone, "replay") == 2
    assert "(setting redis.url" in capsys.readouterr().err


def test_a_letter_whose_key_was_left_out_is_named_and_stays(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """It can't be written as it was, not even when it is told to replay again."""
    bury(settings, DeadLetter(RawRecord(1, 9, b"k" * 3_000_000, b"{", NOW_MS), "not_json", "why it died"))
    for flags in ([], ["--again"]):
        assert command(settings, "replay", *flags) == 1
        said = capsys.readouterr().out
        assert "can't replay" in said
        assert "its key was left out" in said
    assert read(settings, settings.kafka.raw_topic) == []

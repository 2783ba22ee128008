"""The demo as someone meets it: feed in, spike found, report out, nothing left."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from monitor.demo.feed import SAMPLE, sample_path
from tests.e2e.conftest import SampleRun
from tests.e2e.demos import Demo, tiny_feed
from tests.waiting import eventually

pytestmark = pytest.mark.demo
START_SECONDS = 120.0
# What is up at the same time: the demo, its watchdog, Kafka, Valkey, worker and exporter.
LEAST_PROCESSES = 6


def spikes_about(run: SampleRun, alert: dict[str, Any]) -> list[dict[str, Any]]:
    """Spikes of the run about the subject of an alert or of a decoy."""
    wanted = (alert["dimension"], alert["key"])
    return [spike for spike in run.report["spikes"] if (spike["dimension"], spike["key"]) == wanted]


def test_the_sample_gives_exactly_the_alerts_that_its_manifest_declares(sample_run: SampleRun) -> None:
    """Exit code 0, and the verdict says why."""
    assert sample_run.exit_code == 0, sample_run.output
    verdict = sample_run.report["verdict"]
    assert verdict["right"]
    assert verdict["found"] == [[alert["dimension"], alert["key"]] for alert in sample_run.manifest["alerts"]]
    assert (verdict["missing"], verdict["unexpected"]) == ([], [])
    assert "exactly those that the feed's manifest declares" in sample_run.output


def test_the_alert_carries_its_evidence(sample_run: SampleRun) -> None:
    """On at the end, above its upper band, with stories of the surge: by title and address those of the feed."""
    (alert,) = sample_run.manifest["alerts"]
    (spike,) = spikes_about(sample_run, alert)
    assert spike["active"]
    assert spike["peak"]["observed"] > spike["peak"]["upper"] > spike["peak"]["expected"]
    feed = [json.loads(line) for line in sample_path(SAMPLE).read_text(encoding="utf-8").splitlines()]
    sent = {(message.get("title") or message["text"], message["url"]) for message in feed}
    stories = [(story["title"], story["url"]) for story in spike["stories"]]
    assert len(stories) >= 3
    assert set(stories) <= sent
    assert all(story["documents"] >= 1 and story["negative_probability"] > 0.5 for story in spike["stories"])


def test_the_decoys_raise_nothing(sample_run: SampleRun) -> None:
    """Neither much news that isn't bad, nor one bad story that everyone prints."""
    assert [decoy["kind"] for decoy in sample_run.manifest["decoys"]] == ["volume", "reprints"]
    for decoy in sample_run.manifest["decoys"]:
        assert spikes_about(sample_run, decoy) == []


def test_everything_that_was_sent_was_applied(sample_run: SampleRun) -> None:
    """No lag, no dead letters; reprints are known as such; German, which no model reads, is counted and not scored."""
    documents = sample_run.report["documents"]
    assert documents["sent"] == documents["applied"] == sample_run.manifest["documents"]
    assert sample_run.report["lag"] == 0
    assert documents["dead_letters"] == {}
    assert documents["reprints"] > 50
    assert sorted(documents["unsupported"]) == ["de", "zh"]  # the Chinese model is switched off by default
    assert min(documents["unsupported"].values()) > 0
    assert sample_run.report["stages"]["apply"]["documents"] == documents["sent"]


def test_the_delay_of_the_live_part_is_told(sample_run: SampleRun) -> None:
    """From a record's time on the broker to its count; how long it is stands in the benchmarks."""
    delays = sample_run.report["produce_to_trend_seconds"]
    assert 0 < delays["p50"] <= delays["p99"]


def test_the_sample_run_leaves_neither_a_process_nor_a_folder(sample_run: SampleRun) -> None:
    """Servers, roles and watchdog are gone, and so is the temporary folder."""
    assert sample_run.left_processes == []
    assert sample_run.left_files == []


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, Demo]]:
    """Two demos that ran side by side; the second was told to expect an alert that can't come."""
    folder = tmp_path_factory.mktemp("pair")
    right = tiny_feed(folder / "right-feed", [])
    wrong = tiny_feed(folder / "wrong-feed", [{"dimension": "topic", "key": "Earnings"}])
    with ExitStack() as stack:
        demos = [
            stack.enter_context(Demo(folder / name, ["--exit-when-done", *arguments]))
            for name, arguments in (("right", right), ("wrong", wrong))
        ]
        for demo in demos:
            demo.wait(START_SECONDS + 100)
        yield demos[0], demos[1]


def test_two_demos_run_side_by_side(pair: tuple[Demo, Demo]) -> None:
    """Each applies its own documents, at addresses that the other doesn't have."""
    for demo in pair:
        assert demo.report["documents"]["applied"] == demo.report["documents"]["sent"] == 200, demo.output
    addresses = [set(demo.report["addresses"].values()) for demo in pair]
    assert not addresses[0] & addresses[1]
    assert [demo.processes() for demo in pair] == [[], []]


def test_an_expectation_that_is_not_met_is_exit_code_1(pair: tuple[Demo, Demo]) -> None:
    """What is missing is named; the demo beside it, whose expectation is met, ends with 0."""
    right, wrong = pair
    assert (right.wait(0), wrong.wait(0)) == (0, 1)
    assert wrong.report["verdict"]["missing"] == ["topic Earnings"]
    assert "Not what the manifest declares" in wrong.output


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_a_demo_that_is_ended_leaves_no_process(number: signal.Signals, tmp_path: Path) -> None:
    """Whether it can do something about it or not."""
    with Demo(tmp_path / "demo", tiny_feed(tmp_path / "feed", [])) as demo:
        eventually(lambda: "all up" in demo.output or demo.ended, "all is up", START_SECONDS)
        assert len(demo.processes()) >= LEAST_PROCESSES, demo.output
        demo.signal(number)
        code = demo.wait(30)
        assert code == (130 if number is signal.SIGINT else -signal.SIGKILL)
        eventually(lambda: not demo.processes(), f"nothing is left; {demo.processes()}", 15)

"""Laws of the worker's main thread: whatever fails or moves meanwhile, each record is counted once; it stops in time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from monitor.adapters.memory_novelty import MemoryStoryMemory
from monitor.adapters.memory_trends import MemoryTrends
from monitor.adapters.system_clock import SystemClock
from monitor.classify.isolate import model_text
from monitor.errors import TransientError
from monitor.ingest.decode import decode
from monitor.ingest.entities import EntityIndex
from monitor.ingest.novelty import NoveltyIndex
from monitor.messages import ALL, ApplyOutcome, Document, ModelInput, PartitionUpdate, Score
from monitor.metrics import WorkerMetrics
from monitor.outage import Outage
from monitor.pipeline import Pipeline, Stages
from monitor.ports import Clock
from monitor.settings import IngestSettings, Settings, TrendSettings
from monitor.worker_loop import WorkerLoop
from tests.builders import HOUR_MS, NOW_MS, message, record
from tests.fakes import ManualClock, RecordingSink, WordClassifier
from tests.unit.listed_source import ListedSource
from tests.waiting import eventually

PARTITIONS = 3


class FlakyTrends(MemoryTrends):
    """Fails the applies whose numbers it is given: half of them before, half of them after the step was taken."""

    def __init__(self, failing: Sequence[int] = ()) -> None:
        super().__init__()
        self._failing, self._calls = set(failing), 0

    def apply(self, update: PartitionUpdate) -> ApplyOutcome:
        """See TrendStore."""
        self._calls += 1
        if self._calls in self._failing and self._calls % 2:
            raise TransientError("Redis is away", reason="redis_unreachable")
        outcome = super().apply(update)
        if self._calls in self._failing:
            raise TransientError("the answer got lost", reason="redis_unreachable")
        return outcome


class StoppableClassifier(WordClassifier):
    """Waits when it is told to, and can be made to fail for now, or by a bug."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.entered = threading.Event(), threading.Event()
        self.go.set()
        self.failures, self.bug = 0, False

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """See Classifier."""
        self.entered.set()
        self.go.wait(10)
        if self.bug:
            raise ZeroDivisionError
        if self.failures:
            self.failures -= 1
            raise TransientError("the model is away", reason="model_unavailable")
        return super().classify(inputs)


class Bench:
    """A loop over a topic of lists, which stops when all of it is applied."""

    def __init__(
        self,
        count: int = 30,
        *,
        failing: Sequence[int] = (),
        each_poll: Callable[[Bench, int], None] = lambda bench, number: None,
        clock: Clock | None = None,
        on_gpu: bool = False,
        foresee: Callable[[Sequence[Document]], None] | None = None,
        **worker: float | None,
    ) -> None:
        self.topic = [topic_of(partition, count) for partition in range(PARTITIONS)]
        self.registry = CollectorRegistry()
        self.trends, self.sink, self.classifier = FlakyTrends(failing), RecordingSink(), StoppableClassifier()
        self.source = ListedSource(self.topic, self.trends, partial(self._each_poll, each_poll))
        clock = clock or SystemClock()
        stages = Stages(
            decode=partial(decode, settings=IngestSettings(), entities=EntityIndex([])),
            novelty=NoveltyIndex(MemoryStoryMemory(), 72 * HOUR_MS),
            classifier=self.classifier,
            sink=self.sink,
            trends=self.trends,
            clock=clock,
        )
        self.store_failures = 0
        metrics = WorkerMetrics(self.registry)
        options = Settings.model_validate({"worker": {"max_wait_ms": 1.0, "max_round_records": 7, **worker}})
        limit = options.worker.retry_limit_seconds
        self.loop = WorkerLoop(
            options,
            self.source,
            Pipeline(stages, TrendSettings(), metrics),
            self._check_store,
            metrics,
            clock,
            Outage(clock, limit, draw=lambda: 0.001),
            on_gpu=on_gpu,
            foresee=foresee,
        )

    def run(self) -> bool:
        """Runs the loop in this thread; what it raises is raised here."""
        return self.loop.run()

    def positions(self) -> list[int]:
        """How far each partition is applied."""
        return [state.position for state in self.trends.partitions()]

    def metric(self, name: str, **labels: str) -> float:
        """A sample; 0 where there is none."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def contents(self) -> object:
        """All that the trends count."""
        counts = {
            (state.partition, part.bucket): {cell: amount for cell, amount in part.counts.items() if amount}
            for state in self.trends.partitions()
            for part in self.trends.changed_since(state.partition, -1)
        }
        return counts, self.positions(), self.trends.stories(ALL, NOW_MS - 48 * HOUR_MS, NOW_MS + HOUR_MS, 1000)

    def _each_poll(self, more: Callable[[Bench, int], None], number: int) -> None:
        more(self, number)
        if self.positions() == [len(values) for values in self.topic]:
            self.loop.stop()
        assert number < 50_000, f"it makes no progress: {self.positions()}"

    def _check_store(self) -> None:
        if self.store_failures:
            self.store_failures -= 1
            raise TransientError("Redis is away", reason="redis_unreachable")


def topic_of(partition: int, count: int) -> list[bytes]:
    """Documents of their own, reprints within the partition, and some that can't be read or scored."""
    values = []
    for number in range(count):
        # Words of its own: which of two similar stories of different partitions comes first is left to chance.
        digest = sha256(f"{partition} {number - number % 3}".encode()).hexdigest()
        title = "falls " + " ".join(digest[i : i + 6] for i in range(0, 48, 6))
        text = (
            "POISON" if number % 9 == 5 else None
        )  # never the first of its story: which reprint is then is left to chance
        value = record(message(id=f"{partition}-{number}", title=title, text=text)).value
        values.append(b"no json" if number % 7 == 3 else value or b"")
    return values


@pytest.fixture(scope="module")
def wanted() -> object:
    """What an undisturbed loop leaves behind."""
    bench = Bench()
    assert bench.run()
    assert bench.positions() == [30] * PARTITIONS
    return bench.contents()


@settings(max_examples=40, deadline=None)
@given(
    failing=st.sets(st.integers(1, 25), max_size=4),
    failing_flushes=st.integers(0, 2),
    model_failures=st.integers(0, 2),
    moved=st.sets(st.integers(0, 30), max_size=3),
    fenced=st.sets(st.integers(0, 30), max_size=2),
    away=st.sets(st.integers(0, 30), max_size=2),
    records=st.integers(1, 40),
)
def test_whatever_fails_in_the_middle_of_prefetched_rounds_each_record_counts_once(
    wanted: object,
    failing: set[int],
    failing_flushes: int,
    model_failures: int,
    moved: set[int],
    fenced: set[int],
    away: set[int],
    records: int,
) -> None:
    """Redis, broker and model fail, partitions move away and back, others take epochs: nothing lost, nothing double."""

    def disturb(bench: Bench, number: int) -> None:
        if number in moved:
            bench.source.release(number % PARTITIONS)
        if number in fenced:
            bench.trends.assign(number % PARTITIONS, 0)
        bench.source.away = number in away

    bench = Bench(failing=sorted(failing), each_poll=disturb, max_round_records=records)
    bench.sink.failing_flushes = failing_flushes
    bench.classifier.failures = model_failures
    assert bench.run()
    assert bench.contents() == wanted


def test_records_on_their_way_are_bounded_while_the_model_is_slow() -> None:
    """Partitions are held back when the queues are full, polls go on, and nothing is read ahead of the bound."""
    bench = Bench(count=500)
    bench.classifier.go.clear()
    polls: list[int] = []

    def watch() -> None:
        eventually(lambda: bench.metric("sentiment_paused_partitions") == PARTITIONS, "partitions are held back")
        polls.append(bench.source.polls)
        eventually(lambda: bench.source.polls > polls[0] + 5, "polls go on")
        polls.append(bench.source.polled)
        bench.classifier.go.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert bench.run()
    watcher.join()
    assert polls[1] <= 4 * 7, "three rounds on their way and one that is full"
    assert bench.source.most_ahead <= 5 * 7, "one more is being finished"
    assert bench.positions() == [500] * PARTITIONS
    assert bench.metric("sentiment_paused_partitions") == 0


@pytest.mark.parametrize(("on_gpu", "records"), [(False, 256), (True, 4096)])
def test_a_round_is_as_large_as_suits_where_the_model_runs(on_gpu: bool, records: int) -> None:
    """Unless it is told; five of them bound what is held, as ever."""
    first: list[int] = []
    bench = Bench(
        count=8000 // PARTITIONS,
        each_poll=lambda bench, number: first.append(bench.source.polled) if number == 1 else None,
        on_gpu=on_gpu,
        max_round_records=None,
    )
    assert bench.run()
    assert first == [records]
    assert bench.source.most_ahead <= 5 * records


def test_what_the_model_will_be_asked_for_is_told_before_a_round_is_handed_to_it() -> None:
    """Each document that counts, by the thread that prepares, while the model works on an earlier round."""
    told: list[Document] = []
    threads: set[str] = set()

    def foresee(documents: Sequence[Document]) -> None:
        told.extend(documents)
        threads.add(threading.current_thread().name)
        if len(told) > 10:
            bench.classifier.go.set()

    bench = Bench(foresee=foresee)
    bench.classifier.go.clear()  # the first round is in the model until the next one was told of
    assert bench.run()
    assert threads == {"prepare"}
    read = {one.text for one in bench.classifier.read if not one.text.startswith("The company published")}
    assert read == {model_text(document) for document in told}, "but for what is asked after a failure"
    assert bench.classifier.go.is_set()


def test_bytes_on_their_way_are_bounded_while_the_model_is_slow() -> None:
    """Polls are asked for what fits: few large records hold partitions back as many small ones do."""
    bench = Bench(count=500, max_round_records=10_000, max_round_bytes=8192)
    bench.classifier.go.clear()

    def watch() -> None:
        eventually(lambda: bench.metric("sentiment_paused_partitions") == PARTITIONS, "partitions are held back")
        bench.classifier.go.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert bench.run()
    watcher.join()
    smallest = min(len(value) for values in bench.topic for value in values if value != b"no json")
    assert bench.source.most_ahead <= 5 * 2 * 8192 / smallest, "a seventh of them is smaller"
    assert bench.positions() == [500] * PARTITIONS


def test_an_error_in_a_thread_ends_the_worker() -> None:
    """It is raised in the main thread; source and threads are let go of."""
    bench = Bench()
    bench.classifier.bug = True
    with pytest.raises(ZeroDivisionError):
        bench.run()
    assert bench.source.closed
    assert bench.loop.threads_ended


def test_an_outage_beyond_its_limit_ends_the_worker() -> None:
    """Told by the result, not by an error: nothing is lost."""
    bench = Bench(retry_limit_seconds=0.05)
    bench.source.away = True
    assert not bench.run()
    assert bench.metric("sentiment_retries_total", reason="kafka_unavailable") >= 1
    assert bench.source.closed


def test_what_is_missing_is_said() -> None:
    """Partitions before the first poll, the outside system during an outage, nothing when it works."""
    seen: list[list[str]] = []

    def look(bench: Bench, number: int) -> None:
        bench.source.away = number == 1
        bench.store_failures += number == 1
        seen.append(bench.loop.missing())

    bench = Bench(each_poll=look)
    assert bench.loop.missing() == ["partitions"]
    assert bench.run()
    assert seen[:4] == [["partitions"], [], ["kafka"], ["redis"]]
    assert bench.loop.missing() == []


def test_a_worker_that_is_told_to_stop_finishes_what_is_in_the_model() -> None:
    """What was polled and not handed over stays unread; nothing is applied in part."""
    bench = Bench(count=500)
    bench.classifier.go.clear()

    def stop() -> None:
        eventually(lambda: bench.metric("sentiment_queue_rounds", stage="score") >= 2, "rounds are on their way")
        bench.loop.stop()
        eventually(lambda: bench.metric("sentiment_worker_draining") == 1, "it drains")
        bench.classifier.go.set()

    stopper = threading.Thread(target=stop)
    stopper.start()
    assert bench.run()
    stopper.join()
    assert 14 <= sum(bench.positions()) <= 21
    assert bench.metric("sentiment_worker_draining") == 0
    assert bench.loop.threads_ended


@pytest.mark.parametrize("twice", [False, True], ids=["deadline", "second signal"])
def test_a_drain_ends_at_its_deadline_or_at_once_when_told_again(twice: bool) -> None:
    """What a stuck model has is abandoned: not applied, and read again by the next one."""
    bench = Bench(count=500, drain_seconds=60.0 if twice else 0.2)
    bench.classifier.go.clear()

    def stop() -> None:
        assert bench.classifier.entered.wait(10)
        bench.loop.stop()
        if twice:
            eventually(lambda: bench.metric("sentiment_worker_draining") == 1, "it drains")
            bench.loop.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    began = SystemClock().monotonic_seconds()
    assert bench.run()
    assert SystemClock().monotonic_seconds() - began < 10
    stopper.join()
    assert sum(bench.positions()) == 0
    assert not bench.loop.threads_ended
    assert bench.metric("sentiment_abandoned_records_total") >= 7
    bench.classifier.go.set()


def test_a_loop_that_does_not_turn_is_stuck() -> None:
    """After kafka.max_poll_interval_seconds, and not before; the gauge that the alert reads says the same."""
    clock = ManualClock()
    bench = Bench(clock=clock)
    clock.wait_seconds(300.0)
    assert (bench.loop.stuck_seconds(), bench.metric("sentiment_stuck_seconds")) == (0.0, 0.0)
    clock.wait_seconds(1.0)
    assert (bench.loop.stuck_seconds(), bench.metric("sentiment_stuck_seconds")) == (301.0, 301.0)

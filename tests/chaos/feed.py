"""Keeps sending known documents while servers come and go, as a feed does that knows nothing of idempotence.

A message that was not acknowledged is sent again, so that some are in the topic twice and out of order; besides, some are
sent twice on purpose, some come again or are reprinted in another partition (`copies.py`), and some can't be read. What is
really there is read back afterwards (`recount.py`).
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from monitor.adapters.system_clock import SystemClock
from tests.chaos.copies import Message, Scatter
from tests.headlines import HOUR_MS, UNREADABLE, Headline, headlines

_CHUNK = 2_000
_TICK_SECONDS = 0.05
_UNREADABLE_SHARE = 0.02
_REPEATED_SHARE = 0.01
_CLOSE_SECONDS = 5
# No headline is older.
_OLDEST_MS = 31 * HOUR_MS
# The longest message would make most of the traffic; its reason is tested elsewhere.
BAD = tuple(value for reason, value in UNREADABLE.items() if reason != "oversized")


class Feed:
    """A producer in a thread of its own; a context manager that has it running inside.

    Args:
        address: the brokers.
        topic: the raw topic.
        seed: the same seed writes the same documents, in the same order.
        rate: documents a second.

    Attributes:
        told: every document handed over so far, by id.
        held: while set, nothing new is sent.
        resent: how many messages were sent again for want of an acknowledgement.
    """

    def __init__(self, address: str, topic: str, seed: int, rate: float) -> None:
        self.told: dict[str, Headline] = {}
        self.held = threading.Event()
        self.resent = 0
        self._address, self._topic, self._rate = address, topic, rate
        self._clock = SystemClock()
        self._messages = self._write(seed)
        self._again: deque[Message] = deque()
        self._ends: dict[int, int] = {}
        self._worn = threading.Event()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._producer: KafkaProducer | None = None
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    @property
    def ends(self) -> dict[int, int]:
        """By partition, the position behind the last acknowledged message."""
        return dict(self._ends)

    def finish(self, timeout_seconds: float = 120.0) -> None:
        """Stops writing and returns when everything handed over is acknowledged; raises what ended the thread early."""
        self._stop.set()
        self._thread.join(timeout_seconds)
        assert not self._thread.is_alive(), "the feed could not get rid of its messages"
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _write(self, seed: int) -> Iterator[Message]:
        """Documents without end, reprints and unscorable ones among them, with some twice and some that can't be read."""
        draw = random.Random(seed)
        end_ms = self._clock.now_ms()
        scatter = Scatter(random.Random(seed + 1), end_ms - _OLDEST_MS)
        for chunk in range(1_000_000):
            for drawn in headlines(_CHUNK, end_ms, seed=draw.randrange(2**32), name=f"c{chunk}"):
                headline = scatter.marked(drawn)
                self.told[headline.id] = headline
                yield headline.key, headline.message
                if draw.random() < _REPEATED_SHARE:
                    yield headline.key, headline.message
                if draw.random() < _UNREADABLE_SHARE:
                    yield headline.id.encode(), draw.choice(BAD)
                for copy, message in scatter.after(headline):
                    self.told[copy.id] = copy
                    yield message

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                began = self._clock.monotonic_seconds()
                if not self.held.is_set():
                    for _ in range(max(1, round(self._rate * _TICK_SECONDS))):
                        self._send(next(self._messages))
                self._send_again()
                self._stop.wait(max(0.0, began + _TICK_SECONDS - self._clock.monotonic_seconds()))
            self._settle()
        except BaseException as exc:  # noqa: BLE001 - handed to whoever calls `finish`
            self._failure = exc
        finally:
            self._close()

    def _settle(self) -> None:
        """Until nothing is left that a broker has not acknowledged."""
        while True:
            self._send_again()
            try:
                if self._producer is not None:
                    self._producer.flush(timeout=15)
            except kafka_errors.KafkaError:
                self._close()
            if not self._again:
                return

    def _send_again(self) -> None:
        if self._worn.is_set():
            self._close()
            self._worn.clear()
        for _ in range(len(self._again)):
            self.resent += 1
            self._send(self._again.popleft())

    def _send(self, message: Message) -> None:
        try:
            if self._producer is None:
                self._producer = self._connect()
            future = self._producer.send(self._topic, key=message[0], value=message[1])
        except (kafka_errors.KafkaError, OSError):
            self._again.append(message)
            self._close()
            self._clock.wait_seconds(0.2)
            return
        future.add_callback(self._acknowledged)
        future.add_errback(lambda error: self._refused(message))

    def _refused(self, message: Message) -> None:
        self._again.append(message)
        # A producer of the library that has lost its broker for too long finds it again late, or never.
        self._worn.set()

    def _acknowledged(self, written: Any) -> None:
        self._ends[written.partition] = max(self._ends.get(written.partition, 0), written.offset + 1)

    def _connect(self) -> KafkaProducer:
        return KafkaProducer(
            bootstrap_servers=self._address.split(","),
            acks="all",
            # What a retry may do to us: the same record twice, and later ones before it.
            enable_idempotence=False,
            linger_ms=5,
            max_block_ms=5_000,
            reconnect_backoff_max_ms=1_000,
            request_timeout_ms=5_000,
            delivery_timeout_ms=15_000,
        )

    def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                # What is still pending fails, and is sent again by its errback.
                producer.close(timeout=_CLOSE_SECONDS)
            except (kafka_errors.KafkaError, OSError):
                return

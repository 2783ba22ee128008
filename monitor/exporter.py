"""The exporter: reads Redis again and again, and answers with the newest snapshot; what it shows is a function of Redis
and the time, so another one can take its place at any moment.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial

from monitor.adapters import redis_connection
from monitor.adapters.http_api import Api
from monitor.adapters.http_server import Handler
from monitor.adapters.metrics_route import metrics_answer, process_registry
from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.trend_collector import TrendCollector
from monitor.errors import TransientError
from monitor.messages import RankedStory, Subject
from monitor.overview import Overview, Snapshot
from monitor.ports import Clock
from monitor.settings import Settings
from monitor.spikes.timeline import HOUR_MS, Timeline
from monitor.starting import Starting

log = logging.getLogger(__name__)

_READING_SECONDS = 3.0


class Exporter:
    """Reads Redis again and again and answers with the newest snapshot. Implements Role.

    Args:
        settings: all settings.
        clock: the time.

    Raises:
        ConfigError: the address of Redis can't be read; nothing is asked yet.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._client = redis_connection.connect(settings.redis)
        self._settings, self._clock = settings, clock
        self._starting = Starting(clock)
        self._reader = RedisTrends(self._client, settings.redis.key_prefix, settings.trends)
        self._overview = Overview(self._reader, settings, clock)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._failure: str | None = None
        self._failures = 0
        self.registry = process_registry()
        self.registry.register(
            TrendCollector(lambda: self._snapshot, lambda: self._failures, settings.exporter.evidence_stories)
        )

    @property
    def drain_seconds(self) -> float:
        """See Stoppable: for the reading that is on."""
        return 0.0 if self._snapshot is None else _READING_SECONDS

    def start(self) -> Callable[[], None]:
        """See Role."""
        self._starting.ask("redis", f"Redis at {redis_connection.address_of(self._settings.redis)}")
        redis_connection.wait_until_reachable(self._client, self._settings.redis, self._starting, self._in_vain)
        return self.run

    def stop(self) -> None:
        """Ends `start` or `run`."""
        self._starting.stop()
        self._stop.set()

    def run(self) -> None:
        """Refreshes until stopped."""
        while not self._stop.is_set():
            self.refresh()
            self._stop.wait(self._settings.exporter.refresh_seconds)

    def refresh(self) -> None:
        """Makes a new snapshot; a failure is remembered and shown."""
        try:
            with self._lock:
                self._snapshot = self._overview.refresh()
            self._failure = None
        except TransientError as exc:
            self._failures += 1
            self._failure = f"Redis can't be read: {exc}"
            log.warning("%s; showing what was read before", self._failure)

    def routes(self) -> dict[str, Handler]:
        """Console, API and metrics."""
        api = Api(
            self._settings,
            self._clock.now_ms,
            lambda: self._snapshot,
            lambda: self._failure,
            self._timeline,
            self._stories,
        )
        return {**api.routes(), "/metrics": partial(metrics_answer, self.registry)}

    def _in_vain(self, cause: TransientError) -> None:
        self._failures += 1
        self._failure = self._starting.failed(cause)

    def _timeline(self, subject: Subject) -> Timeline:
        with self._lock:
            return self._overview.whole_timeline(subject)

    def _stories(self, subject: Subject, hours: float, limit: int) -> list[RankedStory]:
        now_ms = self._clock.now_ms()
        return self._reader.stories(subject, now_ms - int(hours * HOUR_MS), now_ms + 1, limit)

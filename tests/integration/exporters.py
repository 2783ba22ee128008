"""An exporter that is being served, and told when to read Redis."""

from __future__ import annotations

from types import TracebackType

from prometheus_client.parser import text_string_to_metric_families

from monitor.adapters.http_server import HttpServer
from monitor.app import Exporter
from monitor.ports import Clock
from monitor.settings import Settings
from tests.web import Reply, fetch

Sample = tuple[str, frozenset[tuple[str, str]]]


class ServedExporter:
    """A context manager that has an exporter served inside.

    Args:
        settings: all settings.
        clock: the time.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.exporter = Exporter(settings, clock)
        self._server = HttpServer(
            settings.exporter.host, settings.exporter.port, "exporter.port", self.exporter.routes()
        )
        self.url = self._server.url

    def get(self, path: str, **query: object) -> Reply:
        """Asks it."""
        return fetch(self.url, path, query)

    def metrics(self) -> dict[Sample, float]:
        """Its /metrics, parsed: values by name and labels."""
        text = self.get("/metrics").body.decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __enter__(self) -> ServedExporter:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()


def sample(name: str, **labels: str) -> Sample:
    """The key of a sample in `ServedExporter.metrics`."""
    return name, frozenset(labels.items())

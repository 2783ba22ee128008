"""`/metrics` of a process: its registry, with what every process tells of itself, in Prometheus's text format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from monitor.adapters.http_server import Answer, Query


def process_registry() -> CollectorRegistry:
    """A registry with memory, CPU and garbage collection."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def metrics_answer(registry: CollectorRegistry, query: Query) -> Answer:
    """All that the registry holds."""
    return Answer(generate_latest(registry), CONTENT_TYPE_LATEST)

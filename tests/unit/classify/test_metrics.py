"""What the classifiers tell their observer, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from monitor.metrics import ClassifyMetrics


def test_batches_padding_and_the_cache_are_counted() -> None:
    """Every series is there before anything happens."""
    registry = CollectorRegistry()
    metrics = ClassifyMetrics(registry)
    assert registry.get_sample_value("sentiment_model_tokens_total", {"kind": "padding"}) == 0
    metrics.batch_scored(90, 10)
    metrics.batch_scored(30, 0)
    metrics.looked_up(3, 5)
    expected = {
        ("sentiment_model_tokens_total", "kind", "text"): 120,
        ("sentiment_model_tokens_total", "kind", "padding"): 10,
        ("sentiment_score_cache_total", "result", "hit"): 3,
        ("sentiment_score_cache_total", "result", "miss"): 5,
    }
    for (name, label, value), count in expected.items():
        assert registry.get_sample_value(name, {label: value}) == count
    assert registry.get_sample_value("sentiment_batch_tokens_sum") == 130
    assert registry.get_sample_value("sentiment_batch_tokens_count") == 2

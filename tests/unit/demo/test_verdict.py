"""Laws of the manifest and of the verdict."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.demo.feed import ExpectedAlert, Manifest, load_manifest
from monitor.demo.verdict import judge
from monitor.errors import ConfigError
from tests.builders import NOW_MS

KEYS = ("Earnings", "Macro", "Markets")


def manifest_of(folder: Path, content: object) -> Manifest:
    """Writes a manifest and loads it."""
    path = folder / "manifest.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return load_manifest(path)


def spike(
    key: str, before_end_seconds: int = 600, dimension: str = "topic", score: float = 9.0, active: bool = True
) -> dict[str, Any]:
    """A spike as the API gives it."""
    start = datetime.fromtimestamp(NOW_MS / 1000 - before_end_seconds, UTC)
    return {
        "dimension": dimension,
        "key": key,
        "start": start.isoformat().replace("+00:00", "Z"),
        "active": active,
        "peak": {"score": score},
    }


def declared(*keys: str, starts: float | None = None) -> Manifest:
    """A manifest of alerts on topics."""
    return Manifest(tuple(ExpectedAlert("topic", key, starts) for key in keys), frozenset({"topic"}))


def test_both_ways_to_write_an_alert_are_read(tmp_path: Path) -> None:
    """With `dimension` and `key`, or with the dimension as the key."""
    manifest = manifest_of(
        tmp_path,
        {"alerts": [{"dimension": "topic", "key": "Earnings", "starts_before_end_seconds": 900}, {"entity": "AAPL"}]},
    )
    assert manifest.alerts == (ExpectedAlert("topic", "Earnings", 900.0), ExpectedAlert("entity", "AAPL", None))
    assert manifest.dimensions == {"topic", "entity"}


def test_dimensions_can_be_declared(tmp_path: Path) -> None:
    """And are topics where nothing is said, even without any alert."""
    assert manifest_of(tmp_path, {"alerts": [], "dimensions": ["entity"]}).dimensions == {"entity"}
    assert manifest_of(tmp_path, {"alerts": []}).dimensions == {"topic"}


@pytest.mark.parametrize(
    "content",
    ["", "not json", [], {}, {"alerts": 5}, {"alerts": ["Earnings"]}, {"alerts": [{"theme": "Earnings"}]},
     {"alerts": [{"dimension": "topic"}]}, {"alerts": [{"topic": "X", "starts_before_end_seconds": "soon"}]}],
)  # fmt: skip
def test_what_is_no_manifest_is_said_with_what_one_is(tmp_path: Path, content: object) -> None:
    """Instead of a traceback."""
    with pytest.raises(ConfigError, match=r"manifest\.json: not a manifest"):
        manifest_of(tmp_path, content)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    """With the option that named it."""
    with pytest.raises(ConfigError, match=r"--expect .*missing\.json"):
        load_manifest(tmp_path / "missing.json")


@given(st.sets(st.sampled_from(KEYS)), st.lists(st.sampled_from(KEYS)))
def test_right_means_exactly_the_declared_alerts(wanted: set[str], found: list[str]) -> None:
    """None missing, none beside; one that ends and comes back at once is one."""
    verdict = judge([spike(key) for key in found], declared(*sorted(wanted)), NOW_MS)
    assert verdict.right == (wanted == set(found))
    assert len(verdict.missing) == len(wanted - set(found))
    assert {line.split()[1] for line in verdict.unexpected} == set(found) - wanted
    assert verdict.found == tuple(("topic", key) for key in sorted(set(found)))


@pytest.mark.parametrize(
    ("start", "right"), [(4000, True), (4901, False), (4900, True), (400, True), (399, False), (0, False)]
)
def test_an_alert_has_to_start_when_it_was_declared(start: int, right: bool) -> None:
    """At most an hour late, since stories have to come in first, and hardly ever early."""
    assert judge([spike("Earnings", start)], declared("Earnings", starts=4000.0), NOW_MS).right is right


def test_dimensions_that_are_not_compared_do_not_count() -> None:
    """A company's spike is no surprise where only topics are declared."""
    assert judge([spike("AAPL", dimension="entity")], declared(), NOW_MS).right


@pytest.mark.parametrize(("apart", "right"), [(1800, True), (7200, True), (7201, False), (3 * 86_400, False)])
def test_a_second_spike_of_the_same_subject_is_one_too_many(apart: int, right: bool) -> None:
    """Unless it comes back within two windows of the first."""
    spikes = [spike("Earnings", 600), spike("Earnings", 600 + apart, score=5.0, active=False)]
    assert judge(spikes, declared("Earnings"), NOW_MS).right is right


def test_each_declared_alert_needs_a_spike_of_its_own() -> None:
    """Two alerts on one topic, a day apart."""
    both = Manifest(
        (ExpectedAlert("topic", "Macro", 600.0), ExpectedAlert("topic", "Macro", 87_000.0)), frozenset({"topic"})
    )
    assert judge([spike("Macro", 600), spike("Macro", 87_000)], both, NOW_MS).right
    assert len(judge([spike("Macro", 600)], both, NOW_MS).missing) == 1


def test_notifications_must_tell_of_what_is_on_and_of_nothing_else() -> None:
    """Where Alertmanager runs; a spike that has ended needs none."""
    spikes = [spike("Earnings"), spike("Macro", 87_000, active=False)]
    wanted = declared("Earnings", "Macro")
    assert judge(spikes, wanted, NOW_MS, {("topic", "Earnings")}).right
    assert judge(spikes, wanted, NOW_MS, set()).missing == ("notification of topic Earnings",)
    told = {("topic", "Earnings"), ("topic", "Markets")}
    assert judge(spikes, wanted, NOW_MS, told).unexpected == ("notification of topic Markets",)

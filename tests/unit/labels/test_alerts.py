"""Laws of reading a saved answer of the exporter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor.adapters.http_api import spike_view_json
from monitor.errors import ConfigError
from monitor.messages import Evidence, Level, RankedStory, Spike
from monitor.overview import SpikeView
from pipelines.labels.alerts import alerts_in
from tests.builders import NOW_MS

PEAK = Level(NOW_MS, 12, 20, 1.5, 8.0, 6.1, 3.2, active=True)
EVIDENCE = Evidence("s-1", "Oil falls", "Example Wire", "https://example.com/1", "news", NOW_MS, 0.9)
VIEW = SpikeView(Spike("topic", "Energy / Oil", NOW_MS, None, PEAK), (RankedStory(EVIDENCE, 3),))


@pytest.mark.parametrize("whole", [True, False])
def test_what_the_exporter_answers_is_read(tmp_path: Path, whole: bool) -> None:
    """Its whole answer, or the list of spikes in it; subject, start, and what a story is known by."""
    spikes = [spike_view_json(VIEW)]
    path = tmp_path / "spikes.json"
    path.write_text(json.dumps({"now": "2026-03-04T12:00:00Z", "spikes": spikes} if whole else spikes))
    (alert,) = alerts_in(path)
    assert (alert.dimension, alert.key, alert.start) == ("topic", "Energy / Oil", "2026-03-04T12:00:00Z")
    (story,) = alert.stories
    assert (story.url, story.title, story.source) == ("https://example.com/1", "Oil falls", "Example Wire")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "no list of spikes"),
        ('{"spikes": [{"dimension": "topic"}]}', "spike 1: dimension, key, start and stories are expected"),
        (
            '[{"dimension": "topic", "key": "a", "start": "b", "stories": [5]}]',
            "spike 1: 5 is no story with title, source and url",
        ),
        (
            '[{"dimension": "topic", "key": "a", "start": "b", "stories": [{"title": 5}]}]',
            "is no story with title, source and url",
        ),
        ('{"spikes": [', "broken JSON"),
    ],
)
def test_what_is_no_list_of_spikes_is_named(tmp_path: Path, content: str, said: str) -> None:
    """File and spike."""
    path = tmp_path / "spikes.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=said) as caught:
        alerts_in(path)
    assert str(path) in str(caught.value)

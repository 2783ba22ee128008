"""Headline in, notification out: what Alertmanager sent when the sample's spike came on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.conftest import SampleRun

pytestmark = [pytest.mark.demo, pytest.mark.usefixtures("alerting_programs")]
RUNBOOK = Path(__file__).parents[2] / "dashboards" / "runbook.md"


@pytest.fixture
def notification(sample_run: SampleRun) -> dict[str, Any]:
    """The one notification."""
    (notification,) = {each["fingerprint"]: each for each in sample_run.report["notifications"]}.values()
    return dict(notification)


def test_one_alert_is_told_about_the_subject_of_the_surge(notification: dict[str, Any], sample_run: SampleRun) -> None:
    """To those who read news, and at once."""
    (alert,) = sample_run.manifest["alerts"]
    labels = notification["labels"]
    assert notification["status"] == "firing"
    assert labels["alertname"] == "SentimentNegativeSpike"
    assert (labels["dimension"], labels["key"]) == (alert["dimension"], alert["key"])
    assert (labels["audience"], labels["severity"]) == ("markets", "critical")


def test_the_notification_shows_what_it_rests_on(notification: dict[str, Any], sample_run: SampleRun) -> None:
    """Counts, expectation, and three stories by title, source and address, each from the spike's own list."""
    annotations = notification["annotations"]
    assert re.search(r": \d+ negative stories, [\d.]+ expected$", annotations["summary"])
    assert re.search(r"Observed: \d+ negative of \d+ stories .* Expected: [\d.]+ negative", annotations["description"])
    assert re.findall(r"^(\d)\. ", annotations["stories"], re.MULTILINE) == ["1", "2", "3"]
    (spike,) = [spike for spike in sample_run.report["spikes"] if spike["active"]]
    known = [story for story in spike["stories"] if story["title"] in annotations["stories"]]
    assert len(known) >= 1
    for story in known:
        assert story["source"] in annotations["stories"]
        assert story["url"] in annotations["stories"]


def test_the_notification_leads_to_runbook_console_and_dashboard(
    notification: dict[str, Any], sample_run: SampleRun
) -> None:
    """The runbook has the heading, and the console's address is the one that is served, at that subject."""
    annotations, labels = notification["annotations"], notification["labels"]
    address, _, anchor = annotations["runbook_url"].partition("#")
    assert address.endswith("dashboards/runbook.md")
    headings = re.findall(r"^## (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {heading.lower() for heading in headings}
    subject = f"{labels['dimension']}/{quote(labels['key'], safe='')}"
    assert annotations["console_url"] == f"{sample_run.report['addresses']['console']}#/{subject}"
    assert f"var-key={quote(labels['key'], safe='')}" in annotations["dashboard_url"]


def test_nothing_else_was_told(sample_run: SampleRun) -> None:
    """No alert about the pipeline: it was well."""
    assert {each["labels"]["alertname"] for each in sample_run.report["notifications"]} == {"SentimentNegativeSpike"}

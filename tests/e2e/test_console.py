"""The console in a real browser: what it shows is what the API says, titles are text, and nothing leaves the machine."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
import redis
from playwright.sync_api import Browser, Page, expect, sync_playwright

from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.system_clock import SystemClock
from monitor.embedded.valkey import EmbeddedValkey
from monitor.settings import Settings
from tests.integration.exporters import ServedExporter
from tests.market import NASTY_TITLE, SURGE_TOPIC, fill, market

MINUS = "\u2212"
NO_DATA = "–"
PATIENCE_MS = 15_000


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def serve_market(server: EmbeddedValkey, prefix: str) -> ServedExporter:
    """An exporter over the market as it is now; it has read it once, and stands still from then on."""
    sections = {"redis": {"url": server.url, "key_prefix": prefix}, "exporter": {"port": 0}}
    settings = Settings.model_validate(sections)
    clock = SystemClock()
    with redis.Redis.from_url(server.url) as client:
        fill(RedisTrends(client, prefix, settings.trends), market(clock.now_ms()))
    served = ServedExporter(settings, clock)
    served.exporter.refresh()
    return served


@pytest.fixture(scope="module")
def served(valkey: EmbeddedValkey) -> Iterator[ServedExporter]:
    """An exporter over the market."""
    with serve_market(valkey, "console-market") as served:
        yield served


class Visit:
    """A page and everything that went wrong or out on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def open(self, url: str) -> Visit:
        """Opens an address and waits until all data have been read once."""
        self.page.goto(url)
        self.page.wait_for_selector('body[data-loaded="true"]', timeout=PATIENCE_MS)
        return self


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A new page, with nothing kept from another."""
    context = browser.new_context()
    yield Visit(context.new_page())
    context.close()


def whole(value: int) -> str:
    """A count as the page writes it."""
    return f"{value:,}"


def signed(value: float | None) -> str:
    """A polarity as the page writes it."""
    if value is None:
        return NO_DATA
    digits = str(Decimal(abs(value)).quantize(Decimal("0.01"), ROUND_HALF_UP))
    return digits if float(digits) == 0 else f"{MINUS if value < 0 else '+'}{digits}"


def wanted_fields(subject: dict[str, Any]) -> dict[str, str]:
    """What a row must show of a subject of the API."""
    fields = {
        "subject": subject["key"],
        "polarity-before": signed(subject["turn"]["polarity_before"]),
        "polarity-now": signed(subject["turn"]["polarity_now"]),
    }
    for window in subject["windows"]:
        hours = f"{window['hours']:g}h"
        fields[f"stories-{hours}"] = whole(window["stories"])
        for name in ("negative", "neutral", "positive"):
            fields[f"{name}-{hours}"] = whole(window[name]) if window["stories"] else NO_DATA
    return fields


def shown_fields(page: Page, key: str, names: list[str]) -> dict[str, str]:
    """What the row of a subject shows."""
    row = page.locator(f'#subjects tbody tr[data-subject-key="{key}"]')
    return {name: row.locator(f'[data-field="{name}"]').inner_text() for name in names}


@pytest.mark.parametrize("dimension", ["topic", "entity"])
def test_the_table_shows_what_the_api_says(served: ServedExporter, visit: Visit, dimension: str) -> None:
    """Each subject, in its order, each number of it."""
    subjects = served.get("/api/subjects", dimension=dimension).json["subjects"]
    page = visit.open(served.url).page
    if dimension == "entity":
        page.click('#dimension-switch button[data-value="entity"]')
    rows = page.locator(f'#subjects tbody tr[data-dimension="{dimension}"]')
    expect(rows).to_have_count(len(subjects), timeout=PATIENCE_MS)
    keys = rows.evaluate_all("rows => rows.map(row => row.dataset.subjectKey)")
    assert keys == [subject["key"] for subject in subjects]
    for subject in subjects:
        wanted = wanted_fields(subject)
        assert shown_fields(page, subject["key"], list(wanted)) == wanted


def test_the_head_shows_what_the_api_says(served: ServedExporter, visit: Visit) -> None:
    """Documents, spikes that are on, and what no model reads."""
    status = served.get("/api/status").json
    head = visit.open(served.url).page.locator(".head")
    expect(head.locator('[data-field="documents"]')).to_have_text(whole(status["documents"]))
    expect(head.locator('[data-field="spikes-on"]')).to_have_text(str(status["spikes_on"]))
    expect(head.locator('[data-field="unsupported"]')).to_have_text(f"German {status['unsupported']['de']}")


def test_spikes_that_are_on_stand_first_with_their_evidence(served: ServedExporter, visit: Visit) -> None:
    """A card each, with the stories of the API in their order."""
    spikes = [spike for spike in served.get("/api/spikes").json["spikes"] if spike["active"]]
    page = visit.open(served.url).page
    cards = page.locator("#spikes-on > li")
    expect(cards).to_have_count(len(spikes))
    for number, spike in enumerate(spikes):
        card = cards.nth(number)
        assert card.get_attribute("data-subject-key") == spike["key"]
        titles = card.locator('[data-field="story-title"]').all_inner_texts()
        assert titles == [story["title"] for story in spike["stories"]]
        reach = card.locator('[data-field="story-documents"]').first.inner_text()
        told = spike["stories"][0]["documents"]
        assert reach == f"told by {told} document{'' if told == 1 else 's'}"


def test_a_title_is_text_whatever_is_in_it(served: ServedExporter, visit: Visit) -> None:
    """Markup in a headline is shown and not obeyed."""
    page = visit.open(f"{served.url}/#/topic/Energy%20%2F%20Oil").page
    titles = page.locator('#stories [data-field="story-title"]')
    expect(titles.first).to_have_text(NASTY_TITLE, timeout=PATIENCE_MS)
    assert page.locator("main script").count() == 0
    assert page.locator("main b").count() == 0
    assert "owned" not in page.title()


def test_a_link_of_an_alert_opens_its_subject(served: ServedExporter, visit: Visit) -> None:
    """With its level, a chart and its stories; a row that is clicked takes its place."""
    page = visit.open(f"{served.url}/#/topic/Energy%20%2F%20Oil").page
    expect(page.locator('[data-field="selected-name"]')).to_have_text(SURGE_TOPIC)
    (topic,) = [one for one in served.get("/api/subjects").json["subjects"] if one["key"] == SURGE_TOPIC]
    expect(page.locator('[data-field="selected-level"]')).to_contain_text(
        f"{topic['spike']['observed']} negative stories"
    )
    expect(page.locator("#chart svg").first).to_be_visible()
    page.click('#subjects tbody tr[data-subject-key="Macro"]')
    expect(page.locator('[data-field="selected-name"]')).to_have_text("Macro")
    assert page.url.endswith("#/topic/Macro")


def test_nothing_leaves_the_machine_and_nothing_goes_wrong(served: ServedExporter, visit: Visit) -> None:
    """Each request goes to the exporter itself, and the browser has nothing to complain of."""
    page = visit.open(served.url).page
    page.click('#range-switch button[data-value="48"]')
    page.click('#stories-switch button[data-value="24"]')
    page.wait_for_load_state("networkidle")
    assert len(visit.requests) > 10
    assert [url for url in visit.requests if not url.startswith(f"{served.url}/")] == []
    assert visit.errors == []


def test_the_page_says_when_what_it_shows_is_old(own_valkey: EmbeddedValkey, visit: Visit) -> None:
    """Redis goes: the numbers stay, and above them stands since when they could not be read."""
    with serve_market(own_valkey, "console-gone") as served:
        page = visit.open(served.url).page
        documents = page.locator('[data-field="documents"]').inner_text()
        own_valkey.kill()
        served.exporter.refresh()
        notice = page.locator('[data-notice="unreachable"]')
        expect(notice).to_be_visible(timeout=PATIENCE_MS)
        expect(notice).to_contain_text("HTTP 503")
        assert page.locator('[data-field="documents"]').inner_text() == documents
        own_valkey.restart()
        served.exporter.refresh()
        expect(notice).to_be_hidden(timeout=PATIENCE_MS)

"""Laws of the sample feed: its bytes, its schema, and what its manifest says of it."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from monitor.ingest.language import language_of
from pipelines.sample_feed.job import FEED_NAME, MANIFEST_NAME, SEED, compose_sample, write_labels, write_sample
from pipelines.sample_feed.phrasebook import SENTIMENTS
from pipelines.sample_feed.stories import FEED_END, FEED_SECONDS

if TYPE_CHECKING:
    from tests.unit.sample_feed.conftest import Sample

LARGEST_BYTES = 1_500_000
FIELDS = {"id", "kind", "source", "title", "text", "url", "published", "fetched"}


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    """A feed can be made again, and another seed makes another."""
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        write_sample(tmp_path / name, seed)
    first, again, other = ((tmp_path / name / FEED_NAME).read_bytes() for name in ("first", "again", "other"))
    assert first == again
    assert first != other


def test_the_committed_sample_is_what_the_job_writes(tmp_path: Path, committed: Path) -> None:
    """Nobody edits the sample by hand."""
    write_sample(tmp_path, SEED)
    for name in (FEED_NAME, MANIFEST_NAME):
        assert (tmp_path / name).read_bytes() == (committed / name).read_bytes(), (
            f"run python -m pipelines.sample_feed {committed}"
        )


def test_the_committed_sample_is_small(committed: Path) -> None:
    """It ships with the package."""
    assert (committed / FEED_NAME).stat().st_size <= LARGEST_BYTES


def test_every_document_has_the_fields_of_the_schema(sample: Sample) -> None:
    """News has a headline, a comment has a text, and the language is right where it is said."""
    for telling, document in zip(sample.tellings, sample.documents, strict=True):
        assert set(document) - {"language"} == FIELDS
        assert document["kind"] in {"news", "comment"}
        assert document["title"] if document["kind"] == "news" else document["text"]
        assert document.get("language", telling.story.language) == telling.story.language
        assert not set("{}") & set(document["title"] + document["text"]), document


def test_ids_are_unique(sample: Sample) -> None:
    """The store is keyed by them."""
    assert len({document["id"] for document in sample.documents}) == len(sample.documents)


def test_times_ascend_have_a_zone_and_end_with_the_feed(sample: Sample) -> None:
    """Nothing is published before the feed's six days or after them, nor fetched before it is published."""
    assert sample.times == sorted(sample.times)
    assert all(time.utcoffset() == timedelta(0) for time in sample.times)
    assert sample.times[0] >= FEED_END - timedelta(seconds=FEED_SECONDS)
    assert sample.times[-1] == FEED_END
    for document in sample.documents:
        assert document["published"].endswith("Z")
        assert document["published"] < document["fetched"]


def test_links_go_to_reserved_hosts_only(sample: Sample) -> None:
    """Nobody's site is linked by invented news."""
    hosts = {urlsplit(document["url"]).hostname for document in sample.documents}
    assert hosts <= {"example.com", "example.org", "example.net"}


def test_each_document_is_read_in_the_language_that_it_is_written_in(sample: Sample) -> None:
    """Script and field tell it: none of the German documents counts as English."""
    for telling, document in zip(sample.tellings, sample.documents, strict=True):
        text = f"{document['title']} {document['text']}"
        assert language_of(text, document.get("language")) == telling.story.language, document


def test_the_mix_is_that_of_a_feed(sample: Sample) -> None:
    """About 3,200 documents, a fifth comments, some Chinese, a few German, half with their language said."""
    count = len(sample.documents)
    comments = sum(telling.story.kind == "comment" for telling in sample.tellings)
    chinese = sum(telling.story.language == "zh" for telling in sample.tellings)
    german = [telling.story for telling in sample.tellings if telling.story.language == "de"]
    said = sum("language" in document for document in sample.documents)
    assert 3_000 <= count <= 3_400
    assert 0.20 <= comments / count <= 0.24
    assert 0.05 <= chinese / count <= 0.07
    assert 0.005 <= len(german) / count <= 0.015
    assert {story.kind for story in german} == {"news", "comment"}
    assert len({story.topic for story in german}) >= 5
    assert 0.45 <= said / count <= 0.55


def test_the_background_leans_as_ordinary_days_do(sample: Sample) -> None:
    """Half neutral, somewhat more good news than bad."""
    background = [sample.tellings[i] for i in sample.numbers_of("background")]
    shares = {s: sum(t.story.sentiment == s for t in background) / len(background) for s in SENTIMENTS}
    assert abs(shares["negative"] - 0.22) < 0.02
    assert abs(shares["neutral"] - 0.50) < 0.02
    assert abs(shares["positive"] - 0.28) < 0.02


def test_the_manifest_counts_what_the_feed_holds(committed: Path, sample: Sample) -> None:
    """All twenty topics are there, none with fewer than 45 documents."""
    manifest = json.loads((committed / MANIFEST_NAME).read_text(encoding="utf-8"))
    by_topic = {topic: sum(counts.values()) for topic, counts in manifest["intended"].items()}
    assert manifest["documents"] == len(sample.documents) == sum(by_topic.values())
    assert len(by_topic) == 20
    assert min(by_topic.values()) >= 45


def test_labels_name_every_document(tmp_path: Path) -> None:
    """The intended labels stand in the feed's order."""
    write_labels(tmp_path / "labels.csv", 3)
    with (tmp_path / "labels.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    intended = [(t.story.topic, t.story.sentiment) for t in compose_sample(3)]
    assert [(row["topic"], row["sentiment"]) for row in rows] == intended

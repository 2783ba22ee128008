"""Laws of splits: near-duplicates stay on one side."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.ingest.sketch import same_story, sketch_of
from pipelines.datasets.splits import clusters_of, split_by_cluster, without_leaks

STORIES = [
    "Chip maker Nvidia warns of weak demand and cuts its outlook",
    "Oil falls as demand worries grow in Asia and inventories build",
    "Central bank keeps rates unchanged, sees inflation easing next year",
    "Retailer Target misses estimates as shoppers trade down again",
]
RETOLD = ["{}", "UPDATE 1-{}", "{} - Example Times", "BREAKING: {}", "(Reuters) - {}"]
headlines = st.builds(lambda story, how: how.format(story), st.sampled_from(STORIES), st.sampled_from(RETOLD))
HEADLINES = st.lists(headlines, max_size=25)


def story_of(text: str) -> int:
    """Which story a headline tells."""
    return next(i for i, story in enumerate(STORIES) if story in text)


@given(HEADLINES)
def test_clusters_are_stories(texts: list[str]) -> None:
    """One number per story, whatever was added to it."""
    clusters = clusters_of(texts)
    for i, one in enumerate(texts):
        for j, other in enumerate(texts):
            assert (clusters[i] == clusters[j]) == (story_of(one) == story_of(other))


@given(HEADLINES, st.floats(0.05, 0.9), st.integers(0, 99))
def test_a_split_never_leaks(texts: list[str], share: float, seed: int) -> None:
    """Every text is on one side, at least the share is held out, and no story is on both."""
    rest, held_out = split_by_cluster(texts, share, seed)
    assert sorted([*rest, *held_out]) == list(range(len(texts)))
    assert len(held_out) >= share * len(texts)
    assert not {story_of(texts[i]) for i in rest} & {story_of(texts[i]) for i in held_out}
    assert split_by_cluster(texts, share, seed) == (rest, held_out)


@given(HEADLINES, HEADLINES)
def test_what_is_kept_for_training_repeats_nothing_held_out(train: list[str], held_out: list[str]) -> None:
    """And nothing else is left out."""
    kept = without_leaks(train, held_out)
    told = {story_of(text) for text in held_out}
    assert kept == [i for i, text in enumerate(train) if story_of(text) not in told]


@given(st.permutations(range(6)))
def test_near_duplicates_join_by_way_of_others(order: list[int]) -> None:
    """A chain of small edits is one cluster in any order, though its ends have drifted apart."""
    words = [f"word{i}" for i in range(20)]
    chain = [" ".join([*words[: 20 - 2 * i], *(f"extra{j}" for j in range(2 * i))]) for i in range(6)]
    assert not same_story(sketch_of(chain[0]), sketch_of(chain[-1]))
    assert len(set(clusters_of([chain[i] for i in order]))) == 1

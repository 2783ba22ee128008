"""Laws of splits: near-duplicates stay on one side."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.ingest.sketch import Sketch, same_story, sketch_of
from pipelines.datasets.examples import Example
from pipelines.datasets.splits import (
    check_no_leak,
    clusters_of,
    folds_by_cluster,
    split_by_cluster,
    without_leaks,
)

STORIES = [
    "Chip maker Nvidia warns of weak demand and cuts its outlook",
    "Oil falls as demand worries grow in Asia and inventories build",
    "Central bank keeps rates unchanged, sees inflation easing next year",
    "Retailer Target misses estimates as shoppers trade down again",
]
RETOLD = ["{}", "UPDATE 1-{}", "{} - Example Times", "BREAKING: {}", "(Reuters) - {}"]
headlines = st.builds(lambda story, how: how.format(story), st.sampled_from(STORIES), st.sampled_from(RETOLD))
HEADLINES = st.lists(headlines, max_size=25)
# Figures of a form that is published every day: alike to the last word, and each a story of its own.
DAILY = [f"Exchange says {i} contracts in grain futures changed hands and open interest rose" for i in range(60)]
SIZES = st.lists(st.integers(1, 4), min_size=3, max_size=25)


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


def test_a_repeated_text_is_found_in_any_crowd() -> None:
    """However many texts that look alike stand between the two."""
    clusters = clusters_of(DAILY * 2)
    assert clusters[: len(DAILY)] == clusters[len(DAILY) :]
    assert len(set(clusters)) == len(DAILY)


# One form for every day again, without a name in it: a held-out one that was only lengthened stands in any crowd of them.
CLOSES = [
    f"shares of the retailer close at {n} dollars in thin trading as investors wait for news on sales, margins and "
    "inventories ahead of the start of the holiday season"
    for n in range(100)
]


@settings(max_examples=10)
@given(st.integers(0, 99))
def test_a_near_duplicate_is_found_in_any_crowd(seed: int) -> None:
    """However many of the same form came before it, in any order, and whether it says more or less."""
    order = np.random.default_rng(seed).permutation(len(CLOSES)).tolist()
    longer = [f"{CLOSES[i]} today" for i in order]
    assert all(same_story(sketch_of(longer[at]), sketch_of(CLOSES[i])) for at, i in enumerate(order))
    assert without_leaks(longer, CLOSES) == []
    clusters = clusters_of([*CLOSES, *longer])
    assert clusters == [*range(len(CLOSES)), *order]


@given(st.lists(headlines | st.sampled_from(CLOSES + DAILY), max_size=40), st.randoms(use_true_random=False))
def test_clusters_are_the_same_in_any_order(texts: list[str], random: Random) -> None:
    """Each has the number of its first text, and which texts are together doesn't depend on where they stand."""
    order = list(range(len(texts)))
    random.shuffle(order)
    clusters, shuffled = clusters_of(texts), clusters_of([texts[i] for i in order])
    assert all(clusters[cluster] == cluster <= i for i, cluster in enumerate(clusters))
    for one, i in enumerate(order):
        for other, j in enumerate(order):
            assert (shuffled[one] == shuffled[other]) == (clusters[i] == clusters[j])


def test_all_that_share_a_band_and_tell_one_story_are_together() -> None:
    """As comparing everything with everything says, over texts with all kinds of marks."""
    names = ["", "Acme", "Acme Borel", "Borel", "Acme 7", "7", "7 12", "12 Corvid"]
    texts = [
        f"the maker {name} of pumps and valves said {extra} orders rose in the quarter {tail}"
        for name in names
        for extra in ("that", "new", "fewer new")
        for tail in ("", "again", "as costs fell")
    ]
    sketches, clusters = [sketch_of(text) for text in texts], clusters_of(texts)
    for i, one in enumerate(sketches):
        for j, other in enumerate(sketches[:i]):
            if set(one.bands) & set(other.bands) and same_story(one, other):
                assert clusters[i] == clusters[j]


def test_crowds_take_no_longer_than_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither texts of one form with a number each, nor one story told again and again, are compared pair by pair."""
    compared = 0

    def counted(one: Sketch, other: Sketch) -> bool:
        nonlocal compared
        compared += 1
        return same_story(one, other)

    monkeypatch.setattr("pipelines.datasets.near_duplicates.same_story", counted)
    daily = [f"Exchange says {i} contracts in grain futures changed hands and open interest rose" for i in range(3000)]
    told = [f"the retailer's shares fell again in a quiet word{i} session before the long season" for i in range(3000)]
    assert len(set(clusters_of(daily))) == len(daily)
    assert len(set(clusters_of(told))) == 1
    assert compared < 20 * len(told)


def examples(texts: list[str], name: str) -> list[Example]:
    """Rows of a file of that name."""
    return [Example(text, place=f"{name}.csv, row {i}") for i, text in enumerate(texts, start=2)]


@given(st.lists(headlines | st.sampled_from(DAILY), max_size=30), HEADLINES)
def test_leaks_are_found_exactly_where_texts_would_be_left_out(train: list[str], held_out: list[str]) -> None:
    """What is left passes the check."""
    kept = without_leaks(train, held_out)
    check_no_leak(examples([train[i] for i in kept], "train"), examples(held_out, "test"))
    if len(kept) < len(train):
        with pytest.raises(ConfigError, match=r"train\.csv, row \d+: .* repeats test\.csv, row \d+: "):
            check_no_leak(examples(train, "train"), examples(held_out, "test"))


def test_a_leak_is_named_with_both_rows() -> None:
    """And its texts, shortened, and how many more there are."""
    train = examples([DAILY[3], f"UPDATE 1-{STORIES[1]}", STORIES[0]], "train")
    said = (
        r"^training texts that are near-duplicates of held-out ones: 2; the first: train\.csv, row 3: "
        r"'UPDATE 1-Oil falls as demand worries grow in Asia and inven… repeats test\.csv, row 4: 'Oil falls as .*…$"
    )
    with pytest.raises(ConfigError, match=said):
        check_no_leak(train, examples([DAILY[4], STORIES[0], STORIES[1]], "test"))


def test_a_leak_by_way_of_others_is_named() -> None:
    """A chain of small edits leads from the held-out text to one that is no near-duplicate of it."""
    words = [f"word{i}" for i in range(20)]
    chain = [" ".join([*words[: 20 - 2 * i], *(f"extra{j}" for j in range(2 * i))]) for i in range(6)]
    with pytest.raises(ConfigError, match=r"ones: 5; .*train\.csv, row 2: 'word0 .* repeats test\.csv, row 2: 'word0 "):
        check_no_leak(examples(chain[:0:-1], "train"), examples(chain[:1], "test"))


def told(sizes: list[int]) -> tuple[list[str], list[int]]:
    """As many stories as there are sizes, each told so often, and the number of the story of each text."""
    stories = [i for i, size in enumerate(sizes) for _ in range(size)]
    return [" ".join(f"s{i}w{j}" for j in range(6)) for i in stories], stories


@given(SIZES, st.integers(2, 5), st.integers(0, 99), st.booleans())
def test_folds_share_out_whole_stories_evenly(sizes: list[int], k: int, seed: int, shuffled: bool) -> None:
    """Every text is in one fold, no story in two, and sizes differ by no more than the largest story."""
    texts, stories = told(sizes)
    order = np.random.default_rng(seed).permutation(len(texts)).tolist() if shuffled else range(len(texts))
    texts, stories = [texts[i] for i in order], [stories[i] for i in order]
    if len(sizes) < k:
        with pytest.raises(ConfigError, match=f"{k} folds need {k} clusters .* form {len(sizes)}"):
            folds_by_cluster(texts, None, k, seed)
        return
    folds = folds_by_cluster(texts, None, k, seed)
    assert [fold.tolist() for fold in folds] == [fold.tolist() for fold in folds_by_cluster(texts, None, k, seed)]
    assert sorted(np.concatenate(folds).tolist()) == list(range(len(texts)))
    assert all((np.diff(fold) > 0).all() for fold in folds)
    told_in = [{stories[i] for i in fold} for fold in folds]
    assert sum(map(len, told_in)) == len(sizes)
    lengths = [len(fold) for fold in folds]
    assert max(lengths) - min(lengths) <= max(sizes)


@given(SIZES, SIZES, st.integers(2, 3), st.integers(0, 99))
def test_folds_share_out_every_class_evenly(good: list[int], bad: list[int], k: int, seed: int) -> None:
    """As evenly as its stories allow; texts without a label go where there is room."""
    texts, stories = told([*good, *bad, 1, 1])
    classes = ["good"] * len(good) + ["bad"] * len(bad) + [None, None]
    labels = [classes[story] for story in stories]
    folds = folds_by_cluster(texts, labels, k, seed)
    for name, sizes in (("good", good), ("bad", bad)):
        counts = [sum(labels[i] == name for i in fold) for fold in folds]
        assert min(counts) > 0
        assert max(counts) - min(counts) <= max(sizes)


def test_another_seed_makes_other_folds() -> None:
    """Else repeating an evaluation would tell nothing."""
    texts, _ = told([1] * 40)
    assert folds_by_cluster(texts, None, 4, seed=1)[0].tolist() != folds_by_cluster(texts, None, 4, seed=2)[0].tolist()


@pytest.mark.parametrize(
    ("sizes", "labels", "said"),
    [
        (
            [2, 1, 1, 1],
            ["rare", "rare", "a", "a", "a"],
            "'rare' is missing from the training part of fold 1: its 2 texts",
        ),
        (
            [1, 1, 1, 1, 1],
            ["rare", "a", "rare", "a", "a"],
            "class 'rare' is missing from fold 3 of 3; take fewer folds",
        ),
    ],
)
def test_a_class_that_a_fold_would_lack_is_named(sizes: list[int], labels: list[str], said: str) -> None:
    """Neither could such a fold be measured, nor could be learnt without it."""
    with pytest.raises(ConfigError, match=said):
        folds_by_cluster(told(sizes)[0], labels, 3, seed=0)


def test_folds_need_two_parts_and_a_label_per_text() -> None:
    """One fold would have nothing to train on."""
    with pytest.raises(ConfigError, match="1 folds; wanted at least 2"):
        folds_by_cluster(STORIES, None, 1, seed=0)
    with pytest.raises(ValueError, match="3 labels for 4 texts"):
        folds_by_cluster(STORIES, ["a", "b", "c"], 2, seed=0)

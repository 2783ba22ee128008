"""The published files of the data sets are read whole."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from pipelines.datasets.examples import Example
from pipelines.datasets.kinds import kind_of
from pipelines.datasets.labels import cleaned
from pipelines.datasets.load import load_examples, load_tagged
from pipelines.datasets.splits import check_no_leak, clusters_of, folds_by_cluster, without_leaks

DATA_VARIABLE = "SHARED_DATA_DIR"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(DATA_VARIABLE not in os.environ, reason=f"{DATA_VARIABLE} doesn't name the folder of real data"),
]


def load(file: str, kind: str) -> list[Example]:
    """The rows of a file of the folder."""
    return load_examples(Path(os.environ[DATA_VARIABLE]) / file, kind)


@pytest.mark.parametrize(
    ("file", "kind", "rows", "classes"),
    [
        ("tfn_sentiment/train.csv", "sentiment_csv", 9543 - 3, 3),  # three tweets are but a link
        ("tfn_sentiment/validation.csv", "sentiment_csv", 2388, 3),
        ("tfn_topic/train.csv", "topic_csv", 16_990 - 2, 20),
        ("tfn_topic/validation.csv", "topic_csv", 4117, 20),
        ("mcrls_zh/train.csv", "sentiment_csv", 8315, 3),
        ("surge_stock/sentiment.csv", "surge_stock", 500, 2),
        ("sentfin/SEntFiN.csv", "sentfin", 9520, 3),  # of 10,753 headlines the others name entities that disagree
        ("fincuge_finfe/train_list.json", "fincuge_finfe", 16_157, 3),
        ("fincuge_finfe/eval_list.json", "fincuge_finfe", 2020, 3),
        (
            "fincuge_finnl/train_list.json",
            "fincuge_finnl",
            7071 - 3,
            43,
        ),  # three name a region alone; 30 topics are slips
        ("fincuge_finnl/eval_list.json", "fincuge_finnl", 884 - 1, 14),
    ],
)
def test_every_row_of_the_real_files_is_read(file: str, kind: str, rows: int, classes: int) -> None:
    """All but those that hold no text or label; the kind is guessed."""
    found = load(file, kind)
    assert len(found) == rows
    assert len({example.sentiment or example.topic for example in found}) == classes
    assert len({example.place for example in found}) == rows
    assert kind_of(Path(os.environ[DATA_VARIABLE]) / file) == kind


def test_no_entity_of_the_real_sentfin_is_lost() -> None:
    """Each of the 14,405 is in its headline, the 19 that a replacement of labels damaged included."""
    found = load("sentfin/SEntFiN.csv", "sentfin_entities")
    assert len(found) == 14_405
    assert len({example.place for example in found}) == 10_753
    assert Counter(example.sentiment for example in found) == {"neutral": 5517, "positive": 5074, "negative": 3814}
    assert all(example.entity is not None and example.entity in example.text for example in found)


@pytest.mark.parametrize(
    ("part", "sentences", "tokens", "names"),
    [("train", 14_041, 203_621, 23_499), ("valid", 3250, 51_362, 5942), ("test", 3453, 46_435, 5648)],
)
def test_every_sentence_of_conll_2003_is_read(part: str, sentences: int, tokens: int, names: int) -> None:
    """As many names as the shared task counts (Tjong Kim Sang & De Meulder, 2003), and what else is there."""
    path = Path(os.environ[DATA_VARIABLE]) / "conll2003" / f"{part}.txt"
    found = load_tagged(path, kind_of(path))
    assert len(found) == sentences
    assert sum(len(sentence.tokens) for sentence in found) == tokens
    assert sum(tag.startswith("B-") for sentence in found for tag in sentence.tags) == names


def test_duplicates_and_contradictions_of_the_real_finfe_are_left_out() -> None:
    """1,010 of its texts carry labels that contradict each other, counted over both parts."""
    rows = load("fincuge_finfe/train_list.json", "fincuge_finfe") + load(
        "fincuge_finfe/eval_list.json", "fincuge_finfe"
    )
    assert len({row.text for row in rows}) == 12_500
    assert len(cleaned(rows)) == 12_500 - 1010


def test_the_real_tweets_split_without_leaks() -> None:
    """Some of the published training part repeats its validation part; the folds hold every class evenly."""
    train = load("tfn_topic/train.csv", "topic_csv")
    held_out = load("tfn_topic/validation.csv", "topic_csv")
    kept = [train[i] for i in without_leaks([row.text for row in train], [row.text for row in held_out])]
    assert 0 < len(train) - len(kept) < 0.1 * len(train)
    check_no_leak(kept, held_out)
    texts, labels = [row.text for row in kept], [row.topic for row in kept]
    clusters = clusters_of(texts)
    folds = folds_by_cluster(texts, labels, 5, seed=1)
    assert max(map(len, folds)) - min(map(len, folds)) <= max(Counter(clusters).values())
    for name in set(labels):
        counts = [sum(labels[i] == name for i in fold) for fold in folds]
        assert max(counts) - min(counts) <= max(3, 0.02 * sum(counts)), name

"""Laws of turning texts and tags into batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from monitor.errors import ConfigError
from pipelines.datasets.examples import Example, TaggedSentence
from pipelines.training.encoder import load_encoder
from pipelines.training.rows import NO_LABEL, Rows, bucketed, collate, label_indices, tagged_rows, text_rows


@pytest.fixture(scope="module")
def tokenizer(encoder_folder: Path) -> Tokenizer:
    """The tiny encoder's."""
    return load_encoder(str(encoder_folder), 16)[1]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=50), st.integers(1, 9), st.integers(0, 99))
def test_an_epoch_sees_every_row_once(lengths: list[int], size: int, seed: int) -> None:
    """In batches of at most the given size."""
    batches = bucketed([[1] * length for length in lengths], size, np.random.default_rng(seed))
    assert sorted(int(i) for rows in batches for i in rows) == list(range(len(lengths)))
    assert all(0 < len(rows) <= size for rows in batches)


def test_padding_is_masked() -> None:
    """Rows are as long as the longest; the mask says what is text, the segments which text of a pair."""
    labels = {"topic": [np.array(1), np.array(NO_LABEL)], "ner": [np.array([0, 1, 0]), np.array([1])]}
    batch = collate(Rows([[5, 6, 7], [8]], [[0, 1, 1], [0]], labels), [0, 1], pad_id=9)
    assert batch.input_ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.token_type_ids.tolist() == [[0, 1, 1], [0, 0, 0]]
    assert batch.labels["topic"].tolist() == [1, NO_LABEL]
    assert batch.labels["ner"].tolist() == [[0, 1, 0], [1, NO_LABEL, NO_LABEL]]


def test_an_entity_and_its_text_are_a_pair(tokenizer: Tokenizer) -> None:
    """The longer of the two is cut; rows keep their order whatever their kind."""
    examples = [
        Example("oil falls at plant 7", sentiment="negative"),
        Example("profit " * 40, sentiment="positive", entity="bank"),
        Example("oil", sentiment="neutral"),
    ]
    rows = text_rows(tokenizer, examples, {"sentiment": ["negative", "neutral", "positive"]}, 12)
    assert rows.labels["sentiment"] == [0, 2, 1]
    cls, bank, sep = (tokenizer.token_to_id(token) for token in ("[CLS]", "bank", "[SEP]"))
    assert (rows.ids[1][:3], len(rows.ids[1]), rows.ids[1][-1]) == ([cls, bank, sep], 12, sep)
    assert rows.segments[1] == [0] * 3 + [1] * 9
    assert set(rows.segments[0]) == set(rows.segments[2]) == {0}


def test_the_first_piece_of_a_token_carries_its_tag(tokenizer: Tokenizer) -> None:
    """Other pieces and the special ones carry none."""
    rows = tagged_rows(tokenizer, [TaggedSentence(("banks", "cut", "oil"), ("B-ORG", "O", "O"))], ["O", "B-ORG"], 16)
    assert rows.labels["ner"][0].tolist() == [NO_LABEL, 1, NO_LABEL, 0, 0, NO_LABEL]


def test_a_tag_that_training_did_not_know_names_its_sentence(tokenizer: Tokenizer) -> None:
    """Rather than a number out of range."""
    with pytest.raises(ConfigError, match=r"x\.txt, line 9: tag 'B-LOC' is none of O, B-ORG"):
        tagged_rows(tokenizer, [TaggedSentence(("oil",), ("B-LOC",), "x.txt, line 9")], ["O", "B-ORG"], 16)


def test_labels_become_the_index_of_their_name() -> None:
    """None stays none; an unknown one is an error that names it and its row."""
    examples = [Example("a", topic="Fed", place="f.csv, row 2"), Example("b", sentiment="negative")]
    assert label_indices(examples, "topic", ["Energy", "Fed"]).tolist() == [1, NO_LABEL]
    with pytest.raises(ConfigError, match=r"f\.csv, row 2: no training row has the topic 'Fed'"):
        label_indices(examples, "topic", ["Energy"])

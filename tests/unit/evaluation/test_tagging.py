"""Laws of tagging sentences whatever their length."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertForTokenClassification

from monitor.errors import ConfigError
from pipelines.datasets.examples import TaggedSentence
from pipelines.evaluation.token_figures import predict_tags, split_at_tokens
from tests.unit.evaluation.conftest import TAGS

TOKENS = st.lists(
    st.sampled_from(["profit", "banks", "falls", "42", "\u200b", "nobody", "bank" + "s" * 40]), max_size=40
)


def sentence(*tokens: str) -> TaggedSentence:
    """Tags are not looked at."""
    return TaggedSentence(tokens, ("O",) * len(tokens))


@given(st.lists(TOKENS, min_size=1, max_size=5), st.integers(3, 32))
def test_every_token_gets_a_tag(
    tokenizer: Tokenizer, tagger: BertForTokenClassification, sentences: list[list[str]], max_tokens: int
) -> None:
    """Also those past the longest text that the model reads, and those that cleaning leaves nothing of."""
    given_tokens = [sentence(*tokens) for tokens in sentences]
    tagged = predict_tags(tagger, tokenizer, given_tokens, max_tokens)
    assert [len(tags) for tags in tagged] == [len(tokens) for tokens in sentences]
    assert {tag for tags in tagged for tag in tags} <= set(TAGS)


@given(TOKENS, st.integers(3, 32))
def test_parts_are_the_sentence_and_fit(tokenizer: Tokenizer, tokens: list[str], max_tokens: int) -> None:
    """Whole tokens in their order; only a single token may be longer than a part."""
    (parts,) = split_at_tokens(tokenizer, [sentence(*tokens)], max_tokens)
    assert [token for part in parts for token in part] == tokens
    for part in parts:
        pieces = len(tokenizer.encode(list(part), is_pretokenized=True).ids)
        assert pieces <= max_tokens or len([word for word in part if word != "\u200b"]) == 1


def test_a_token_has_the_label_of_its_first_piece(tokenizer: Tokenizer, tagger: BertForTokenClassification) -> None:
    """Worked out from the logits: [CLS] profit bank ##s [SEP]."""
    ids = tokenizer.encode(["profit", "banks", "at"], is_pretokenized=True).ids
    assert len(ids) == 6
    with torch.inference_mode():
        labels = tagger(input_ids=torch.tensor([ids])).logits[0].argmax(dim=-1).tolist()
    expected = [TAGS[labels[i]] for i in (1, 2, 4)]
    assert predict_tags(tagger, tokenizer, [sentence("profit", "banks", "at")], 32) == [expected]


def test_words_keep_their_mark_with_a_tokenizer_of_bytes(tagger: BertForTokenClassification) -> None:
    """RoBERTa's marks a word by the space before it: the pieces are those of running text, whatever its file says."""
    tokenizer = Tokenizer(models.BPE({"Ġ": 0, "o": 1, "i": 2, "l": 3}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert len(tokenizer.encode("oil oil").ids) == 7
    assert split_at_tokens(tokenizer, [sentence("oil", "oil")], 7) == [[("oil",), ("oil",)]]
    assert split_at_tokens(tokenizer, [sentence("oil", "oil")], 8) == [[("oil", "oil")]]
    with torch.inference_mode():
        labels = tagger(input_ids=torch.tensor([tokenizer.encode(" oil oil").ids])).logits[0].argmax(dim=-1).tolist()
    assert predict_tags(tagger, tokenizer, [sentence("oil", "oil")], 8) == [[TAGS[labels[0]], TAGS[labels[4]]]]


def test_batched_equals_one_by_one(tokenizer: Tokenizer, tagger: BertForTokenClassification) -> None:
    """Padding and neighbours change no tag; the tokenizer is left as it was."""
    sentences = [sentence(*["oil", "banks", "falls", "7"][: i % 4 + 1], *["cut"] * (3 * i)) for i in range(9)]
    tokenizer.enable_truncation(max_length=4)
    try:
        alone = [predict_tags(tagger, tokenizer, [one], 16)[0] for one in sentences]
        assert predict_tags(tagger, tokenizer, sentences, 16, batch=3) == alone
        assert (tokenizer.truncation or {})["max_length"] == 4
    finally:
        tokenizer.no_truncation()
    assert len({tag for tags in alone for tag in tags}) > 1, "otherwise the test shows nothing"


def test_no_room_for_a_piece_is_an_error(tokenizer: Tokenizer, tagger: BertForTokenClassification) -> None:
    """Two special pieces are always there."""
    with pytest.raises(ConfigError, match="max_tokens 2"):
        predict_tags(tagger, tokenizer, [sentence("oil")], 2)

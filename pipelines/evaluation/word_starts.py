"""Tokenizers of bytes on sentences that come split into words."""

from __future__ import annotations

import json

from tokenizers import Tokenizer


def with_word_starts(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer, marking the start of each word of a sentence that comes split into words.

    One of bytes (GPT-2's, RoBERTa's) takes the space before a word for its mark; split sentences have none, so that every word
    would be read as the middle of one. It may add the space itself. Other kinds come back as they are.
    """
    state = json.loads(tokenizer.to_str())
    steps = [state["pre_tokenizer"] or {}]
    steps += steps[0].get("pretokenizers", [])
    of_bytes = [step for step in steps if step.get("type") == "ByteLevel"]
    for step in of_bytes:
        step["add_prefix_space"] = True
    return Tokenizer.from_str(json.dumps(state)) if of_bytes else tokenizer

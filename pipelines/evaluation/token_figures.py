"""Figures of a named-entity tagger: by token, as published tables give them, and by whole entity."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from seqeval.metrics.v1 import precision_recall_fscore_support
from seqeval.scheme import IOB2
from tokenizers import Encoding, Tokenizer

from monitor.classify.batches import token_batches
from monitor.errors import ConfigError
from pipelines.datasets.examples import TaggedSentence
from pipelines.evaluation.word_starts import with_word_starts

_TAG = re.compile(r"O|[BI]-.+")


def token_figures(true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, Any]:
    """All figures of a tagger on one set of sentences.

    Args:
        true: tags of the scheme IOB2, one list a sentence.
        predicted: as `true`, for the same tokens; an `I-` that continues no entity is a wrong token and no entity.

    Returns:
        `sentences`, `n` (tokens), `accuracy` (of tokens, `O` among them); `by_tag` (precision, recall, f1, n), and over
        tags `micro_with_o` (all three equal the accuracy), `micro_without_o`, `macro_f1` (over the tags that occur,
        `O` among them) and `macro_f1_without_o`; `entity` (precision, recall, f1, n over all types, and the same
        `by_type`), where only an entity with exact bounds and type counts (CoNLL-2003; seqeval in mode strict).

    Raises:
        ConfigError: nothing to compare, sentences of different length, or a tag of another scheme; names the sentence.
    """
    _check(true, predicted)
    pairs = Counter(
        pair for ours, theirs in zip(true, predicted, strict=True) for pair in zip(ours, theirs, strict=True)
    )
    tags = sorted({tag for pair in pairs for tag in pair}, key=lambda tag: (tag == "O", tag[2:], tag))
    hits = {tag: pairs[tag, tag] for tag in tags}
    of_true = {tag: sum(n for pair, n in pairs.items() if pair[0] == tag) for tag in tags}
    of_predicted = {tag: sum(n for pair, n in pairs.items() if pair[1] == tag) for tag in tags}
    by_tag = {tag: _row(hits[tag], of_predicted[tag], of_true[tag]) for tag in tags}
    inside = [tag for tag in tags if tag != "O"]
    total = sum(pairs.values())
    return {
        "sentences": len(true),
        "n": total,
        "accuracy": round(sum(hits.values()) / total, 4),
        "macro_f1": _mean([by_tag[tag]["f1"] for tag in tags if of_true[tag]]),
        "macro_f1_without_o": _mean([by_tag[tag]["f1"] for tag in inside if of_true[tag]]),
        "micro_with_o": _row(sum(hits.values()), total, total),
        "micro_without_o": _row(*(sum(count[tag] for tag in inside) for count in (hits, of_predicted, of_true))),
        "by_tag": by_tag,
        "entity": _entities(true, predicted),
    }


def predict_tags(
    model: Any, tokenizer: Tokenizer, sentences: Sequence[TaggedSentence], max_tokens: int, batch: int = 64
) -> list[list[str]]:
    """Tags each token by the model's label of its first word piece.

    A sentence that is longer than the model reads is tagged in parts of whole tokens, so that every token has a tag; a
    token that the tokenizer leaves nothing of is `O`.

    Args:
        model: a token classifier; `config.id2label` are the tags.
        tokenizer: its word pieces; left as it is.
        sentences: only their tokens are read.
        max_tokens: most word pieces at once, special ones among them.
        batch: most word pieces of a batch are `batch * max_tokens`.
    """
    parts = split_at_tokens(tokenizer, sentences, max_tokens)
    plain = _copy(tokenizer)
    plain.enable_truncation(max_length=max_tokens)  # a single token may be longer than the model reads
    encodings = plain.encode_batch([list(part) for own in parts for part in own], is_pretokenized=True)
    was_training = model.training
    model.eval()
    labels = iter(_first_piece_labels(model, encodings, batch * max_tokens))
    model.train(was_training)
    names = {int(i): str(name) for i, name in model.config.id2label.items()}
    tagged = []
    for own in parts:
        tags: list[str] = []
        for part in own:
            by_token = next(labels)
            tags += [names[by_token[i]] if i in by_token else "O" for i in range(len(part))]
        tagged.append(tags)
    return tagged


def split_at_tokens(
    tokenizer: Tokenizer, sentences: Sequence[TaggedSentence], max_tokens: int
) -> list[list[tuple[str, ...]]]:
    """Returns the parts that each sentence is tagged in: one, or as many as its word pieces need."""
    plain = _copy(tokenizer)
    room = max_tokens - plain.num_special_tokens_to_add(is_pair=False)
    if room < 1:
        raise ConfigError(f"max_tokens {max_tokens}: leaves no room for a word piece")
    encodings = plain.encode_batch([list(s.tokens) for s in sentences], is_pretokenized=True, add_special_tokens=False)
    split = []
    for sentence, encoding in zip(sentences, encodings, strict=True):
        pieces = Counter(word for word in encoding.word_ids if word is not None)
        bounds, used = [0], 0
        for i in range(len(sentence.tokens)):
            if used and used + pieces[i] > room:
                bounds.append(i)
                used = 0
            used += pieces[i]
        ends = [*bounds[1:], len(sentence.tokens)]
        split.append([sentence.tokens[start:end] for start, end in zip(bounds, ends, strict=True)])
    return split


@torch.inference_mode()
def _first_piece_labels(model: Any, encodings: Sequence[Encoding], budget: int) -> list[dict[int, int]]:
    """Per encoding the label of each token's first piece, by the token's number."""
    device = next(model.parameters()).device
    found: dict[int, dict[int, int]] = {}
    for chosen in token_batches([len(encoding.ids) for encoding in encodings], budget):
        width = max(len(encodings[i].ids) for i in chosen)
        ids = torch.full((len(chosen), width), getattr(model.config, "pad_token_id", None) or 0)
        mask = torch.zeros((len(chosen), width), dtype=torch.long)
        for row, i in enumerate(chosen):
            ids[row, : len(encodings[i].ids)] = torch.tensor(encodings[i].ids)
            mask[row, : len(encodings[i].ids)] = 1
        labels = model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits.argmax(dim=-1).tolist()
        for row, i in enumerate(chosen):
            first: dict[int, int] = {}
            for piece, word in enumerate(encodings[i].word_ids):
                if word is not None:
                    first.setdefault(word, labels[row][piece])
            found[i] = first
    return [found[i] for i in range(len(encodings))]


def _copy(tokenizer: Tokenizer) -> Tokenizer:
    copied = with_word_starts(Tokenizer.from_str(tokenizer.to_str()))
    copied.no_truncation()
    copied.no_padding()
    return copied


def _entities(true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, Any]:
    rows, columns = [list(tags) for tags in true], [list(tags) for tags in predicted]
    # seqeval stops where neither side has an entity, and leaves out a type of which neither has one that begins.
    types = sorted({tag[2:] for tags in (*rows, *columns) for tag in tags if tag.startswith("B-")})
    if not types:
        return {**_row(0, 0, 0), "by_type": {}}

    def figures(average: str | None) -> Any:
        return precision_recall_fscore_support(rows, columns, average=average, scheme=IOB2, zero_division=0)

    by_type = {name: _rounded(*row) for name, row in zip(types, zip(*figures(None), strict=True), strict=True)}
    return {**_rounded(*figures("micro")), "by_type": by_type}


def _check(true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> None:
    if len(true) != len(predicted):
        raise ConfigError(f"{len(true)} sentences with true tags, {len(predicted)} with predicted ones")
    if not any(true):
        raise ConfigError("no token to measure a tagger on")
    for number, (ours, theirs) in enumerate(zip(true, predicted, strict=True), start=1):
        if len(ours) != len(theirs):
            raise ConfigError(f"sentence {number}: {len(ours)} true tags, {len(theirs)} predicted")
        for tag in (*ours, *theirs):
            if not _TAG.fullmatch(tag):
                raise ConfigError(f"sentence {number}: tag {tag!r} is not of the scheme IOB2 (O, B-TYPE, I-TYPE)")


def _row(hits: int, predicted: int, true: int) -> dict[str, float]:
    precision, recall = hits / max(1, predicted), hits / max(1, true)
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return _rounded(precision, recall, f1, true)


def _rounded(precision: float, recall: float, f1: float, n: int) -> dict[str, float]:
    return {
        "precision": round(float(precision), 4),
        "recall": round(float(recall), 4),
        "f1": round(float(f1), 4),
        "n": int(n),
    }


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0

"""Texts and tags as tensors: what the loop is fed with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer

from monitor.errors import ConfigError
from pipelines.datasets.examples import Example, TaggedSentence

NO_LABEL = -100


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded rows.

    Attributes:
        ids: word-piece ids per row.
        segments: 0 for the first text of a row, 1 for the second, per piece.
        labels: by task one entry a row: a class index, or for token tasks one per piece; `NO_LABEL` where there is none.
        taught: by task (rows, classes) probabilities of a teacher; zeros where it was not asked.
    """

    ids: list[list[int]]
    segments: list[list[int]]
    labels: dict[str, list[np.ndarray]]
    taught: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded input_ids, attention_mask and token_type_ids, each (batch, tokens); labels (batch,) or (batch, tokens).

    `taught` is by task (batch, classes), see `Rows`.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    token_type_ids: torch.Tensor
    labels: dict[str, torch.Tensor]
    taught: dict[str, torch.Tensor]


def text_rows(
    tokenizer: Tokenizer, examples: Sequence[Example], labels: Mapping[str, Sequence[str]], max_tokens: int
) -> Rows:
    """Encodes texts, one with an entity as the pair (entity, text), cut to `max_tokens` as the live path cuts them.

    Raises:
        ConfigError: a label that is not among `labels` of its task; names the row.
    """
    tokenizer.enable_truncation(max_length=max_tokens, strategy="longest_first")
    encodings: list[Encoding] = tokenizer.encode_batch(
        [example.text if example.entity is None else (example.entity, example.text) for example in examples]
    )
    return Rows(
        [encoding.ids for encoding in encodings],
        [encoding.type_ids for encoding in encodings],
        {task: list(label_indices(examples, task, names)) for task, names in labels.items()},
    )


def tagged_rows(
    tokenizer: Tokenizer, sentences: Sequence[TaggedSentence], names: Sequence[str], max_tokens: int
) -> Rows:
    """Encodes sentences that are split into tokens; a token's first word piece carries its tag.

    Raises:
        ConfigError: a tag that is not among `names`; names the sentence.
    """
    index = {name: i for i, name in enumerate(names)}
    tokenizer.enable_truncation(max_length=max_tokens)
    encodings = tokenizer.encode_batch([list(s.tokens) for s in sentences], is_pretokenized=True)
    labels = []
    for sentence, encoding in zip(sentences, encodings, strict=True):
        unknown = set(sentence.tags) - index.keys()
        if unknown:
            raise ConfigError(f"{sentence.place}: tag {unknown.pop()!r} is none of {', '.join(names)}")
        row, previous = [], None
        for word in encoding.word_ids:
            row.append(NO_LABEL if word is None or word == previous else index[sentence.tags[word]])
            previous = word
        labels.append(np.array(row))
    return Rows([e.ids for e in encodings], [e.type_ids for e in encodings], {"ner": labels})


def label_indices(examples: Sequence[Example], task: str, names: Sequence[str]) -> np.ndarray:
    """Class index per example, `NO_LABEL` where it has none for `task`.

    Raises:
        ConfigError: a label that is not in `names`; names the row.
    """
    index = {name: i for i, name in enumerate(names)}
    for example in examples:
        value = getattr(example, task)
        if value is not None and value not in index:
            raise ConfigError(f"{example.place or example.source}: no training row has the {task} {value!r}")
    values = [getattr(example, task) for example in examples]
    return np.array([NO_LABEL if value is None else index[value] for value in values])


def bucketed(ids: Sequence[list[int]], batch_size: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Shuffled batches of rows of about equal length: little padding, still random across epochs."""
    lengths = np.array([len(row) for row in ids])
    noisy = lengths + generator.uniform(-3, 3, size=len(lengths))
    order = np.argsort(noisy, kind="stable")
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    generator.shuffle(batches)
    return batches


def collate(rows: Rows, chosen: Sequence[int] | np.ndarray, pad_id: int) -> Batch:
    """Pads the chosen rows to the longest of them."""
    width = max(len(rows.ids[i]) for i in chosen)

    def padded(values: Sequence[Sequence[int] | np.ndarray], fill: int) -> torch.Tensor:
        filled = np.full((len(chosen), width), fill, dtype=np.int64)
        for line, i in enumerate(chosen):
            filled[line, : len(values[i])] = values[i]
        return torch.from_numpy(filled)

    labels = {}
    for task, column in rows.labels.items():
        of_tokens = bool(len(column)) and np.ndim(column[0]) == 1
        labels[task] = padded(column, NO_LABEL) if of_tokens else torch.as_tensor(np.array([column[i] for i in chosen]))
    lengths = torch.tensor([len(rows.ids[i]) for i in chosen])
    mask = (torch.arange(width) < lengths[:, None]).long()
    taught = {task: torch.from_numpy(told[np.asarray(chosen)]) for task, told in rows.taught.items()}
    return Batch(padded(rows.ids, pad_id), mask, padded(rows.segments, 0), labels, taught)

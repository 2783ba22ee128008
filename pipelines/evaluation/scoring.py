"""Scores texts with an opened checkpoint.

Guarantees: one row of logits per text in order, whatever the batching.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer

from monitor.classify.batches import token_batches
from monitor.errors import ConfigError

_BATCH_TOKENS = 4096
Forward = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Mapping[str, torch.Tensor]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is known of a model by its folder.

    Attributes:
        name: name@version, or the folder's name.
        labels: class names by index, by task.
        trained_on: the entries of its training files, with `file` and perhaps `kind` and `sha256`.
        recipe: what it was trained by, as its folder tells it; empty where it doesn't.
        has_ancestors: whether it went on from other models, or was taught by one, whose recipes aren't told.
    """

    name: str
    folder: Path
    language: str | None
    labels: dict[str, tuple[str, ...]]
    trained_on: tuple[dict[str, Any], ...]
    max_tokens: int
    tokenizer: Tokenizer
    recipe: Mapping[str, Any] = field(default_factory=dict)
    has_ancestors: bool = False


@dataclass(frozen=True, slots=True)
class TextModel:
    """A classifier of texts.

    Attributes:
        temperatures: by task; 1 where the checkpoint says nothing.
        pairs: whether it was tuned on (entity, text) as well.
    """

    checkpoint: Checkpoint
    temperatures: dict[str, float]
    pairs: bool
    forward: Forward
    pad_id: int
    device: torch.device

    def logits(
        self,
        texts: Sequence[str],
        entities: Sequence[str | None] | None = None,
        on_done: Callable[[int], None] = lambda _: None,
    ) -> dict[str, np.ndarray]:
        """Returns (n, classes) uncalibrated logits by task.

        Args:
            texts: cleaned, as the loaders give them.
            entities: per text whose sentiment is asked for, None for the whole text's.
            on_done: is told how many texts are done, batch by batch.

        Raises:
            ConfigError: the model gives numbers that are not finite.
        """
        encodings = self._encode(texts, entities or [None] * len(texts))
        found: dict[str, dict[int, np.ndarray]] = {task: {} for task in self.checkpoint.labels}
        for batch in token_batches([len(encoding.ids) for encoding in encodings], _BATCH_TOKENS):
            for task, values in self._run([encodings[i] for i in batch]).items():
                found[task].update(zip(batch, values, strict=True))
            on_done(len(batch))
        stacked = {task: np.stack([rows[i] for i in range(len(texts))]) for task, rows in found.items()}
        if not all(np.isfinite(values).all() for values in stacked.values()):
            raise ConfigError(f"{self.checkpoint.folder}: the model gives numbers that are not finite")
        return stacked

    def _encode(self, texts: Sequence[str], entities: Sequence[str | None]) -> list[Encoding]:
        tokenizer = self.checkpoint.tokenizer
        # As where it serves: the text is cut, and of a name that fills half the room by itself the end as well.
        tokenizer.enable_truncation(max_length=self.checkpoint.max_tokens, strategy="longest_first")
        pairs = [(entity, text) for entity, text in zip(entities, texts, strict=True) if entity is not None]
        paired = iter(tokenizer.encode_batch(pairs) if pairs else [])
        alone = iter(tokenizer.encode_batch([t for t, entity in zip(texts, entities, strict=True) if entity is None]))
        return [next(alone if entity is None else paired) for entity in entities]

    @torch.inference_mode()
    def _run(self, encodings: Sequence[Encoding]) -> dict[str, np.ndarray]:
        shape = (len(encodings), max(len(encoding.ids) for encoding in encodings))
        ids = torch.full(shape, self.pad_id, dtype=torch.long)
        mask, segments = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = torch.tensor(encoding.ids)
            mask[row, : len(encoding.ids)] = 1
            segments[row, : len(encoding.ids)] = torch.tensor(encoding.type_ids)
        logits = self.forward(ids.to(self.device), mask.to(self.device), segments.to(self.device))
        return {task: values.float().cpu().numpy() for task, values in logits.items()}


@dataclass(frozen=True, slots=True)
class TagModel:
    """A token classifier; `checkpoint.labels["ner"]` are its tags."""

    checkpoint: Checkpoint
    network: Any

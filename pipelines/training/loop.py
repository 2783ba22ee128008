"""The training loop: batches that mix both tasks through one encoder, one optimiser step each.

A batch holds rows of every data set; a row without a label for a task adds nothing to that task's loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from monitor.adapters.two_head_model import TwoHeadModel
from monitor.errors import ConfigError
from pipelines.datasets.examples import Example

NO_LABEL = -100


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How to train; rates are AdamW's peak learning rates."""

    epochs: int
    batch_size: int
    learning_rate: float
    head_learning_rate: float
    warmup_ratio: float
    weight_decay: float
    train_tokens: int
    class_weight_power: float  # 0: rows count alike; 0.5: a class counts by the square root of its rarity
    seed: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded input_ids and attention_mask, both (batch, tokens), and label indices by task, (batch,)."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: dict[str, torch.Tensor]


def train(
    model: TwoHeadModel,
    encoded: Sequence[list[int]],
    labels: dict[str, np.ndarray],
    pad_id: int,
    options: LoopOptions,
    on_step: Callable[[int, int, float], None],
) -> None:
    """Tunes `model` in place.

    Args:
        model: the network, on its device.
        encoded: token ids per row.
        labels: per task (rows,) class indices, `NO_LABEL` where a row has none.
        pad_id: id of the padding piece.
        options: see `LoopOptions`.
        on_step: called with (step, steps, loss) after each step.
    """
    generator = np.random.default_rng(options.seed)
    torch.manual_seed(options.seed)
    steps = options.epochs * -(-len(encoded) // options.batch_size)
    counts = {task: head.get_parameter("bias").numel() for task, head in model.heads.items()}
    weights = {task: class_weights(y, counts[task], options.class_weight_power) for task, y in labels.items()}
    heads = [p for name, p in model.named_parameters() if name.startswith("heads.")]
    trunk = [p for name, p in model.named_parameters() if not name.startswith("heads.")]
    optimiser = torch.optim.AdamW(
        [{"params": trunk, "lr": options.learning_rate}, {"params": heads, "lr": options.head_learning_rate}],
        weight_decay=options.weight_decay,
    )
    warmup = max(1, int(steps * options.warmup_ratio))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))
    )
    model.train()
    step = 0
    for _ in range(options.epochs):
        for rows in bucketed(encoded, options.batch_size, generator):
            batch = collate([encoded[i] for i in rows], {task: y[rows] for task, y in labels.items()}, pad_id)
            logits = model(batch.input_ids, batch.attention_mask)
            losses = [task_loss(logits[task], batch.labels[task], weights[task]) for task in logits]
            loss = torch.stack(losses).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad(set_to_none=True)
            step += 1
            on_step(step, steps, float(loss.detach()))
    model.eval()


def task_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean cross-entropy over the labelled rows; 0 if there are none.

    Args:
        logits: (batch, classes).
        labels: (batch,) class indices or `NO_LABEL`.
        weights: (classes,) of `class_weights`.
    """
    if not bool((labels != NO_LABEL).any()):
        return logits.sum() * 0.0
    return functional.cross_entropy(logits, labels, weight=weights, ignore_index=NO_LABEL)


def class_weights(labels: np.ndarray, classes: int, power: float) -> torch.Tensor:
    """(classes,) weights, (largest class / class) to a power, at most 5."""
    counts = np.bincount(labels[labels != NO_LABEL], minlength=classes)
    rarity = counts.max(initial=1) / np.maximum(counts, 1)
    return torch.tensor(np.minimum(rarity**power, 5.0), dtype=torch.float32)


def bucketed(encoded: Sequence[list[int]], batch_size: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Shuffled batches of rows of about equal length: little padding, still random across epochs."""
    lengths = np.array([len(ids) for ids in encoded])
    noisy = lengths + generator.uniform(-3, 3, size=len(lengths))
    order = np.argsort(noisy, kind="stable")
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    generator.shuffle(batches)
    return batches


def collate(rows: Sequence[list[int]], labels: dict[str, np.ndarray], pad_id: int) -> Batch:
    """Pads to the longest row."""
    width = max(len(ids) for ids in rows)
    input_ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, ids in enumerate(rows):
        input_ids[i, : len(ids)] = torch.tensor(ids)
        mask[i, : len(ids)] = 1
    return Batch(input_ids, mask, {task: torch.as_tensor(y, dtype=torch.long) for task, y in labels.items()})


@torch.inference_mode()
def predict(
    model: TwoHeadModel, encoded: Sequence[list[int]], pad_id: int, batch_size: int = 64
) -> dict[str, np.ndarray]:
    """Returns uncalibrated logits by task, (rows, classes), in the order of `encoded`."""
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
    parts: dict[str, list[np.ndarray]] = {task: [] for task in model.heads}
    for start in range(0, len(order), batch_size):
        batch = collate([encoded[i] for i in order[start : start + batch_size]], {}, pad_id)
        for task, logits in model(batch.input_ids, batch.attention_mask).items():
            parts[task].append(logits.numpy())
    inverse = np.argsort(order)
    return {task: np.concatenate(chunks)[inverse] for task, chunks in parts.items()}


def label_indices(examples: Sequence[Example], task: str, names: Sequence[str]) -> np.ndarray:
    """Class index per example, `NO_LABEL` where it has none for `task`; raises ConfigError for a label not in `names`."""
    index = {name: i for i, name in enumerate(names)}
    values = [getattr(example, task) for example in examples]
    unknown = {value for value in values if value is not None} - index.keys()
    if unknown:
        raise ConfigError(f"no training row has the {task} {', '.join(sorted(unknown))}")
    return np.array([NO_LABEL if value is None else index[value] for value in values])


def encode(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Token ids per text, with the special pieces, at most `max_tokens` long."""
    tokenizer.enable_truncation(max_length=max_tokens)
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]

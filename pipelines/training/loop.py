"""The training loop: batches that mix all tasks through one encoder, one optimiser step each.

A batch holds rows of every data set; a row without a label for a task adds nothing to that task's loss. Killed and
started again it goes on from the last checkpoint, with the result that it would have had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from pipelines.training.checkpoints import Checkpoints, Position
from pipelines.training.recipe import LoopOptions
from pipelines.training.rows import NO_LABEL, Batch, Rows, bucketed, collate
from pipelines.training.weights import WeightMean, parameter_groups

_MEAN_EVERY = 8  # steps between two updates of the mean weights, which cost as much as a tenth of a step


@dataclass(slots=True)
class Watch:
    """What a run tells while it goes on.

    Attributes:
        step: called with (step, steps, loss, learning rate of the encoder).
        epoch: called with (epoch, macro-F1 on the rows kept for it).
    """

    step: Callable[[int, int, float, float], None] = field(default=lambda step, steps, loss, rate: None)
    epoch: Callable[[int, float], None] = field(default=lambda epoch, score: None)


def train(
    model: nn.Module,
    rows: Rows,
    pad_id: int,
    options: LoopOptions,
    judge: Callable[[], float] | None = None,
    checkpoints: Checkpoints | None = None,
    watch: Watch | None = None,
) -> Position:
    """Tunes `model` in place and returns where it ended.

    Args:
        model: maps (input_ids, attention_mask, token_type_ids) to logits by task; on its device.
        rows: what to learn.
        pad_id: id of the padding piece.
        options: see `LoopOptions`.
        judge: macro-F1 of the model as it is, called after each epoch; the best epoch's weights are kept, and
            `options.patience` epochs without a better one end the run.
        checkpoints: where to resume from and to save to.
        watch: told of each step and epoch.
    """
    watch = watch or Watch()
    per_epoch = -(-len(rows) // options.batch_size)
    steps = options.epochs * per_epoch
    optimiser = torch.optim.AdamW(parameter_groups(model, options), fused=True)
    mean = WeightMean(model, options.average_decay, _MEAN_EVERY) if options.average_decay else None
    class_weight = class_weights(model, rows, options.class_weight_power)
    torch.manual_seed(options.seed)
    position = checkpoints.resume(model, optimiser, mean) if checkpoints else Position()
    while not position.finished(options.epochs, options.patience):
        batches = bucketed(rows.ids, options.batch_size, np.random.default_rng([options.seed, position.epoch]))
        model.train()
        for chosen in batches[position.step - position.epoch * per_epoch :]:
            rate = learning_rate_factor(position.step, steps, options.warmup_ratio)
            loss = _step(model, optimiser, collate(rows, chosen, pad_id), class_weight, options, rate)
            position.step += 1
            if mean and position.step % _MEAN_EVERY == 0:
                mean.update()
            watch.step(position.step, steps, loss, rate * options.learning_rate)
            if checkpoints and position.step % options.checkpoint_steps == 0:
                checkpoints.save(model, optimiser, mean, position)
        _end_epoch(model, mean, position, judge, watch)
        if checkpoints:
            checkpoints.save(model, optimiser, mean, position)
    if position.best is not None:
        model.load_state_dict(position.best, strict=False)
    elif mean:
        mean.swap()
    model.eval()
    return position


def _step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    class_weight: dict[str, torch.Tensor],
    options: LoopOptions,
    rate: float,
) -> float:
    device = next(model.parameters()).device
    for group in optimiser.param_groups:
        group["lr"] = group["peak_lr"] * rate
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        logits = model(batch.input_ids.to(device), batch.attention_mask.to(device), batch.token_type_ids.to(device))
    losses = [
        task_loss(values.float(), batch.labels[task].to(device), class_weight[task].to(device), options)
        for task, values in logits.items()
    ]
    losses += [
        options.teacher_weight * taught_loss(logits[task].float(), told.to(device))
        for task, told in batch.taught.items()
    ]
    loss = torch.stack(losses).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return float(loss.detach())


def _end_epoch(
    model: nn.Module, mean: WeightMean | None, position: Position, judge: Callable[[], float] | None, watch: Watch
) -> None:
    position.epoch += 1
    if judge is None:
        return
    if mean:
        mean.swap()
    model.eval()
    score = judge()
    position.judged(score, model)
    watch.epoch(position.epoch, score)
    if mean:
        mean.swap()


def learning_rate_factor(step: int, steps: int, warmup_ratio: float) -> float:
    """Factor on the peak rate: a straight line up over the warm-up, then a straight line down to 0."""
    warmup = max(1, int(steps * warmup_ratio))
    return min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))


def task_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, options: LoopOptions) -> torch.Tensor:
    """Weighted mean loss over the labelled rows or tokens; 0 if there are none.

    Args:
        logits: (batch, classes) or (batch, tokens, classes).
        labels: (batch,) or (batch, tokens) class indices or `NO_LABEL`.
        weights: (classes,) of `class_weights`.
        options: `label_smoothing` and `focal_gamma`: (1-p)^gamma on each row's loss (Lin et al., 2017).
    """
    flat, target = logits.flatten(0, -2), labels.flatten()
    known = target != NO_LABEL
    if not bool(known.any()):
        return logits.sum() * 0.0
    if not options.focal_gamma:
        return functional.cross_entropy(
            flat, target, weight=weights, ignore_index=NO_LABEL, label_smoothing=options.label_smoothing
        )
    flat, target = flat[known], target[known]
    each = functional.cross_entropy(flat, target, reduction="none", label_smoothing=options.label_smoothing)
    missed = 1 - flat.softmax(dim=-1).gather(1, target[:, None]).squeeze(1)
    weight = weights[target]
    return (weight * missed**options.focal_gamma * each).sum() / weight.sum()


def taught_loss(logits: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy to a teacher's probabilities over the rows that it was asked of (Hinton et al., 2015, at T = 1).

    Args:
        logits: (batch, classes).
        told: (batch, classes) probabilities, zeros in rows without.
    """
    asked = told.sum().clamp(min=1.0)  # a row's probabilities sum up to 1
    return -(told * logits.log_softmax(dim=-1)).sum() / asked


def class_weights(model: nn.Module, rows: Rows, power: float) -> dict[str, torch.Tensor]:
    """By task one weight per class, (most frequent count / own count) to the power, at most 5."""
    weights = {}
    with torch.inference_mode():
        device = next(model.parameters()).device
        ids = torch.tensor([rows.ids[0]], device=device)
        classes = {task: values.shape[-1] for task, values in model(ids, torch.ones_like(ids)).items()}
    for task, column in rows.labels.items():
        labels = np.concatenate([np.atleast_1d(label) for label in column])
        counts = np.bincount(labels[labels != NO_LABEL], minlength=classes[task])
        weights[task] = torch.tensor(rarity_weights(counts, power), dtype=torch.float32)
    return weights


def rarity_weights(counts: np.ndarray, power: float) -> np.ndarray:
    """(most frequent count / own count) to the power, at most 5; (classes,)."""
    rarity = counts.max(initial=1) / np.maximum(counts, 1)
    return np.asarray(np.minimum(rarity**power, 5.0))


@torch.inference_mode()
def predict(model: nn.Module, rows: Rows, pad_id: int, batch_size: int = 64) -> dict[str, list[np.ndarray]]:
    """Returns uncalibrated logits by task, one (classes,) or (tokens, classes) per row, in the rows' order."""
    device = next(model.parameters()).device
    order = sorted(range(len(rows)), key=lambda i: len(rows.ids[i]))
    found: dict[str, dict[int, np.ndarray]] = {}
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = collate(Rows(rows.ids, rows.segments, {}), chosen, pad_id)
        logits = model(batch.input_ids.to(device), batch.attention_mask.to(device), batch.token_type_ids.to(device))
        for task, values in logits.items():
            for i, value in zip(chosen, values.float().cpu().numpy(), strict=True):
                found.setdefault(task, {})[i] = value[: len(rows.ids[i])] if value.ndim == 2 else value
    return {task: [by_row[i] for i in range(len(rows))] for task, by_row in found.items()}

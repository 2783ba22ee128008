"""Where a run starts: an encoder with fresh heads, or a model that an earlier run made; and what is known of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from monitor.adapters.torch_classifier import load_tokenizer
from monitor.adapters.two_head_model import HEADS, TwoHeadModel, load_model
from monitor.errors import ConfigError
from pipelines.datasets.splits import clusters_of, split_by_cluster
from pipelines.training.encoder import load_encoder
from pipelines.training.recipe import Recipe

KEPT = "kept.json"  # first quarter of the SHA-256 of each text that was kept from fitting


def mean_of(starts: Sequence[str], recipe: Recipe, names: dict[str, list[str]]) -> tuple[TwoHeadModel, Tokenizer]:
    """Builds the network to train: `model_from` of one start, or the mean of the weights of several models.

    The mean of models that were tuned from one encoder is often better than each (Wortsman et al., 2022, "Model soups").

    Raises:
        ConfigError: a start can't be used, or several don't have the same shape and classes.
    """
    model, tokenizer = model_from(starts[0], recipe, names)
    if len(starts) == 1:
        return model, tokenizer
    total = {name: weight.clone() for name, weight in model.state_dict().items() if weight.is_floating_point()}
    for start in starts[1:]:
        other, heads = load_model(Path(start))
        classes = {task: list(head["id2label"].values()) for task, head in heads["heads"].items()}
        weights = other.state_dict()
        if classes != names or any(n not in weights or weights[n].shape != w.shape for n, w in total.items()):
            raise ConfigError(
                f"{start}: has other classes or another shape than {starts[0]}; there is no mean of the two"
            )
        for name in total:
            total[name] += weights[name]
    model.load_state_dict({name: weight / len(starts) for name, weight in total.items()}, strict=False)
    return model, tokenizer


def model_from(start: str, recipe: Recipe, names: dict[str, list[str]]) -> tuple[TwoHeadModel, Tokenizer]:
    """Builds the network to train.

    Args:
        start: an encoder's folder or hub name, or a model folder; that one's heads stay where their classes are the same.
        recipe: says how long texts may be.
        names: class names by task.

    Raises:
        ConfigError: the start can't be used, reads shorter texts than the recipe asks for, or lacks a head with these
            classes and no epoch would train it.
    """
    heads: dict[str, Any] = {"heads": {}}
    if (Path(start) / HEADS).is_file():
        before, heads = load_model(Path(start))
        if heads["max_tokens"] < recipe.max_tokens:
            raise ConfigError(f"{start}: reads {heads['max_tokens']} word pieces, the recipe wants {recipe.max_tokens}")
        trunk, tokenizer = before.encoder, load_tokenizer(Path(start), recipe.max_tokens)
    else:
        trunk, tokenizer = load_encoder(start, recipe.max_tokens)
    left = [task for task in heads["heads"] if task not in names]
    if left:
        print(f"{start}: its {' and '.join(left)} head is left out, which the recipe has no task for")
    model = TwoHeadModel(trunk.config, {task: len(labels) for task, labels in names.items()})
    model.encoder.load_state_dict(trunk.state_dict(), strict=False)
    for task, labels in names.items():
        known = list(heads["heads"].get(task, {}).get("id2label", {}).values())
        if known == labels:
            model.heads[task].load_state_dict(before.heads[task].state_dict())
        elif heads["heads"]:
            _begins_anew(start, task, known, labels, recipe)
    return model, tokenizer


def _begins_anew(start: str, task: str, known: Sequence[str], labels: Sequence[str], recipe: Recipe) -> None:
    """Says that a head of the model to go on from is not of use: its classes are others, or in another order."""
    ways = (
        ("without", [name for name in labels if name not in known]),
        ("with", [n for n in known if n not in labels]),
    )
    other = "; ".join(f"{word} {', '.join(names)}" for word, names in ways if names)
    said = (
        f"{start}: its {task} head has other classes ({other or 'in another order'})"
        if known
        else f"{start}: has no {task} head"
    )
    if recipe.loop.epochs == 0:
        raise ConfigError(f"{said}, and epochs = 0 would train none")
    print(f"{said}; that head starts from nothing")


def split_as_before(texts: Sequence[str], recipe: Recipe, before: Sequence[str]) -> tuple[list[int], list[int]]:
    """Splits into rows to fit and rows kept for temperatures and early stopping, in whole near-duplicate clusters.

    Where the run goes on from other models, the rows that all of them kept are kept again and nothing else: any other row may
    have been fitted by one, and a temperature fitted on such rows would be too low. `before` may name encoders too, which
    have kept nothing.

    Raises:
        ConfigError: it goes on from a model that doesn't say what it kept, or none of these rows was kept by all.
    """
    models = [Path(start) for start in before if (Path(start) / HEADS).is_file()]
    if not models:
        return split_by_cluster(texts, recipe.calibration_share, recipe.loop.seed)
    named = set.intersection(*map(_kept_by, models))
    clusters = clusters_of(texts)
    chosen = {cluster for cluster, text in zip(clusters, texts, strict=True) if _sum_of(text) in named}
    kept = [i for i, cluster in enumerate(clusters) if cluster in chosen]
    if not kept:
        files = ", ".join(str(model / KEPT) for model in models)
        raise ConfigError(f"{files}: none of the rows named there is in the recipe's files")
    return [i for i, cluster in enumerate(clusters) if cluster not in chosen], kept


def _kept_by(model: Path) -> set[str]:
    file = model / KEPT
    if not file.is_file():
        raise ConfigError(f"{model} has no {KEPT}: a run that goes on from it can't know which rows it has not fitted")
    return set(json.loads(file.read_text(encoding="utf-8")))


def save_kept(texts: Sequence[str], folder: Path) -> None:
    """Writes which rows were kept, for a run that goes on from this one."""
    (folder / KEPT).write_text(json.dumps(sorted({_sum_of(text) for text in texts})) + "\n", encoding="utf-8")


def _sum_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]

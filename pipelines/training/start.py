"""Where a run starts: an encoder with fresh heads, or a model that an earlier run made; and what is known of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from monitor.adapters.torch_classifier import load_tokenizer
from monitor.adapters.two_head_model import HEADS, WEIGHTS, TwoHeadModel, load_model, read_heads
from monitor.errors import ConfigError
from pipelines.datasets.load import sha256_of
from pipelines.datasets.splits import clusters_of, split_by_cluster
from pipelines.training.encoder import load_encoder
from pipelines.training.recipe import Recipe

KEPT = "kept.json"  # first quarter of the SHA-256 of each text that was kept from fitting


def model_from(start: str, recipe: Recipe, names: dict[str, list[str]]) -> tuple[TwoHeadModel, Tokenizer]:
    """Builds the network to train.

    Args:
        start: an encoder's folder or hub name, or a model folder; that one's heads stay where their classes are the same.
        recipe: says how long texts may be.
        names: class names by task.

    Raises:
        ConfigError: the start can't be used, or reads shorter texts than the recipe asks for.
    """
    heads: dict[str, Any] = {"heads": {}}
    if (Path(start) / HEADS).is_file():
        before, heads = load_model(Path(start))
        if heads["max_tokens"] < recipe.max_tokens:
            raise ConfigError(f"{start}: reads {heads['max_tokens']} word pieces, the recipe wants {recipe.max_tokens}")
        trunk, tokenizer = before.encoder, load_tokenizer(Path(start), recipe.max_tokens)
    else:
        trunk, tokenizer = load_encoder(start, recipe.max_tokens)
    model = TwoHeadModel(trunk.config, {task: len(labels) for task, labels in names.items()})
    model.encoder.load_state_dict(trunk.state_dict(), strict=False)
    for task, labels in names.items():
        if list(heads["heads"].get(task, {}).get("id2label", {}).values()) == labels:
            model.heads[task].load_state_dict(before.heads[task].state_dict())
    return model, tokenizer


def split_as_before(texts: Sequence[str], recipe: Recipe, start: str) -> tuple[list[int], list[int]]:
    """Splits into rows to fit and rows kept for temperatures and early stopping, in whole near-duplicate clusters.

    Where the run goes on from another model, that one's kept rows are kept again and nothing else: any other row may have
    been fitted by it, and a temperature fitted on such rows would be too low.

    Raises:
        ConfigError: it goes on from a model that doesn't say what it kept, or kept none of these rows.
    """
    if not (Path(start) / HEADS).is_file():
        return split_by_cluster(texts, recipe.calibration_share, recipe.loop.seed)
    file = Path(start) / KEPT
    if not file.is_file():
        raise ConfigError(f"{start} has no {KEPT}: a run that goes on from it can't know which rows it has not fitted")
    before = set(json.loads(file.read_text(encoding="utf-8")))
    clusters = clusters_of(texts)
    chosen = {cluster for cluster, text in zip(clusters, texts, strict=True) if _sum_of(text) in before}
    kept = [i for i, cluster in enumerate(clusters) if cluster in chosen]
    if not kept:
        raise ConfigError(f"{file}: none of the rows that it names is in the recipe's files")
    return [i for i, cluster in enumerate(clusters) if cluster not in chosen], kept


def save_kept(texts: Sequence[str], folder: Path) -> None:
    """Writes which rows were kept, for a run that goes on from this one."""
    (folder / KEPT).write_text(json.dumps(sorted({_sum_of(text) for text in texts})) + "\n", encoding="utf-8")


def origin_of(start: str, recipe: Recipe) -> dict[str, Any]:
    """The encoder with the sum of its weights; of a model folder that one's encoder and training files."""
    folder = Path(start)
    if (folder / HEADS).is_file():
        before = read_heads(folder)
        told = {"encoder": before.get("encoder", {}), "before": before.get("trained_on", [])}
        return {**told, "went_on_from": f"{before['name']}@{before['version']}"}
    encoder = {"name": recipe.encoder, "licence": recipe.encoder_licence}
    if (folder / WEIGHTS).is_file():
        encoder["sha256"] = sha256_of(folder / WEIGHTS)
    return {"encoder": encoder, "before": []}


def _sum_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]

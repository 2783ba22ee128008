"""Opens what can be evaluated: two-head checkpoints, plain sequence classifiers and token classifiers.

Guarantees: weights come from safetensors alone, and none of them is missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from monitor.adapters.checkpoint_pair import exported_temperature
from monitor.adapters.torch_classifier import default_model_folder
from monitor.adapters.two_head_model import HEADS, load_model
from monitor.errors import ConfigError
from pipelines.datasets.examples import SENTIMENTS
from pipelines.evaluation.engine_forward import engine_forward
from pipelines.evaluation.label_names import LabelNames
from pipelines.evaluation.scoring import Checkpoint, Forward, TagModel, TextModel

_TOLD = "ner.json"
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model")
_MOST_TOKENS = 512  # tokenizers that know no limit say 10**30


def open_model(
    name: str, task: str | None, device: str, labels: LabelNames, backend: str = "torch"
) -> TextModel | TagModel:
    """Opens a model by its name or folder.

    Args:
        name: `default`, `default-zh`, or a folder.
        task: what a plain sequence classifier's labels are; None tells it by them.
        device: `auto`, `cpu` or `cuda`.
        labels: renames the checkpoint's labels, such as LABEL_0.
        backend: what runs a two-head model, see engine_forward.py; other checkpoints run on torch.

    Raises:
        ConfigError: there is no such model, it can't be read, or the backend can't run it; says what is wanted.
    """
    folder = folder_of(name)
    where = _device(device)
    if (folder / HEADS).is_file():
        return _two_head(folder, where, backend)
    if backend != "torch":
        raise ConfigError(f"--backend {backend}: runs models with {HEADS}, and {folder} has none; use torch")
    told = _read_json(folder / "config.json")
    architecture = "".join(told.get("architectures") or ["?"])
    if architecture.endswith("ForTokenClassification"):
        return _tagger(folder, where, labels)
    if architecture.endswith("ForSequenceClassification"):
        return _plain(folder, task, where, labels)
    raise ConfigError(
        f"{folder}: is a {architecture}; wanted {HEADS}, a ...ForSequenceClassification or a ...ForTokenClassification"
    )


def folder_of(name: str) -> Path:
    """The folder of a model by its name: `default`, `default-zh`, or a folder.

    Raises:
        ConfigError: there is no such folder, or it holds no model.
    """
    shipped = {"default": default_model_folder(), "default-zh": default_model_folder().with_name("default_zh")}
    folder = shipped.get(name, Path(name))
    if not folder.is_dir():
        wanted = "is not part of this version" if name in shipped else "no such folder"
        raise ConfigError(f"MODEL {name}: {wanted}; wanted default, default-zh, or a checkpoint's folder")
    if not (folder / HEADS).is_file() and not (folder / "config.json").is_file():
        raise ConfigError(f"MODEL {name}: holds neither {HEADS} nor config.json, so it is no checkpoint")
    return folder


def _device(wanted: str) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch sees no CUDA device; use auto or cpu")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def _two_head(folder: Path, device: torch.device, backend: str) -> TextModel:
    model, heads = load_model(folder)
    model.to(device)
    path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:
        raise ConfigError(f"{path}: can't be read: {exc}") from exc
    tokenizer.no_padding()
    named = {task: head["id2label"] for task, head in heads["heads"].items()}
    try:
        labels = {task: tuple(names[str(i)] for i in range(len(names))) for task, names in named.items()}
    except KeyError as exc:
        raise ConfigError(f"{folder / HEADS}: id2label has no class {exc}") from exc
    if "sentiment" in labels:
        labels["sentiment"] = tuple(_lowered(name) for name in labels["sentiment"])
    checkpoint = Checkpoint(
        name=f"{heads['name']}@{heads['version']}",
        folder=folder,
        language=str(heads["language"]),
        labels=labels,
        trained_on=_trained_on(heads),
        max_tokens=int(heads["max_tokens"]),
        tokenizer=tokenizer,
        recipe=heads.get("recipe") or {},
        has_ancestors=_has_ancestors(heads),
    )
    temperatures = {task: float(head["temperature"]) for task, head in heads["heads"].items()}
    pad_id = int(model.encoder.config.pad_token_id or 0)
    forward: Forward = model
    if backend != "torch":
        forward = engine_forward(model.cpu(), {task: len(names) for task, names in labels.items()}, pad_id, backend)
        device = torch.device("cpu")
    return TextModel(checkpoint, temperatures, bool(heads.get("entity_pairs")), forward, pad_id, device)


def _plain(folder: Path, task: str | None, device: torch.device, renames: LabelNames) -> TextModel:
    network = _pretrained(AutoModelForSequenceClassification, folder).to(device)
    names = tuple(renames.renamed(network.config.id2label[i]) for i in range(network.config.num_labels))
    if task not in ("sentiment", "topic"):
        # A head that knows one sentiment is one of sentiment.
        task = "sentiment" if task == "entity" or {n.casefold() for n in names} & set(SENTIMENTS) else "topic"
    names = tuple(_lowered(name) if task == "sentiment" else name for name in names)
    pairs_known = getattr(network.config, "type_vocab_size", 1) > 1

    def forward(ids: torch.Tensor, mask: torch.Tensor, segments: torch.Tensor) -> dict[str, torch.Tensor]:
        types = {"token_type_ids": segments} if pairs_known and bool(segments.any()) else {}
        return {task: network(input_ids=ids, attention_mask=mask, **types).logits}

    checkpoint = _plain_checkpoint(folder, network, {task: names})
    temperatures = {task: exported_temperature(network.config, str(folder))}
    return TextModel(checkpoint, temperatures, False, forward, int(network.config.pad_token_id or 0), device)


def _tagger(folder: Path, device: torch.device, renames: LabelNames) -> TagModel:
    network = _pretrained(AutoModelForTokenClassification, folder).to(device)
    network.config.id2label = {int(i): renames.renamed(name) for i, name in network.config.id2label.items()}
    tags = tuple(network.config.id2label[i] for i in range(network.config.num_labels))
    return TagModel(_plain_checkpoint(folder, network, {"ner": tags}), network)


def _plain_checkpoint(folder: Path, network: Any, labels: dict[str, tuple[str, ...]]) -> Checkpoint:
    told = _read_json(folder / _TOLD) if (folder / _TOLD).is_file() else {}
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        # The library would go on with a tokenizer that knows no word.
        raise ConfigError(f"{folder}: no tokenizer; wanted one of {', '.join(_VOCABULARIES)}")
    try:
        loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as exc:
        raise ConfigError(f"{folder}: no tokenizer that can be read: {exc}") from exc
    if not loaded.is_fast:
        raise ConfigError(f"{folder}: its tokenizer has no fast version; save one with tokenizer.json")
    # Position ids of the RoBERTa family begin behind the padding id.
    first = (network.config.pad_token_id or 0) + 1 if "roberta" in network.config.model_type else 0
    positions = getattr(network.config, "max_position_embeddings", _MOST_TOKENS) - first
    tokenizer: Tokenizer = loaded.backend_tokenizer
    tokenizer.no_padding()
    return Checkpoint(
        name=f"{told['name']}@{told['version']}" if "version" in told else folder.resolve().name,
        folder=folder,
        language=told.get("language"),
        labels=labels,
        trained_on=_trained_on(told),
        max_tokens=int(told.get("max_tokens") or min(positions, int(loaded.model_max_length), _MOST_TOKENS)),
        tokenizer=tokenizer,
        recipe=told.get("recipe") or {},
        has_ancestors=_has_ancestors(told),
    )


def _pretrained(kind: Any, folder: Path) -> Any:
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(f"{folder}: no *.safetensors; other weights are pickles, which are never read")
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        network, told = kind.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True, dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError) as exc:
        raise ConfigError(f"{folder}: can't be read: {exc}") from exc
    if told["missing_keys"]:
        # The library would go on with random numbers in their place.
        raise ConfigError(f"{folder}: the weights lack {', '.join(sorted(told['missing_keys'])[:3])}")
    return network.eval()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{path}: can't be read: {exc}") from exc
    return told


def _trained_on(told: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    kinds = {part.get("file"): part.get("kind") for part in (told.get("recipe") or {}).get("train", ())}
    return tuple({"kind": kinds.get(part["file"]), **part} for part in told.get("trained_on", ()))


def _has_ancestors(told: Mapping[str, Any]) -> bool:
    return any(told.get(key) for key in ("went_on_from", "mean_of", "taught_by", "ancestors"))


def _lowered(name: str) -> str:
    return name.lower() if name.lower() in SENTIMENTS else name

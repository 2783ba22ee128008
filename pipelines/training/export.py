"""A head as a plain sequence-classification checkpoint, so that other tools can serve it."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast

from monitor.adapters.two_head_model import load_model
from monitor.errors import ConfigError
from pipelines.evaluation.models import folder_of

_SPECIAL = {
    "pad_token": ("[PAD]", "<pad>"),
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
}


def export_head(model: Path, task: str, out: Path) -> None:
    """Writes config.json, model.safetensors (float32) and tokenizer; `AutoModelForSequenceClassification` loads them.

    Logits agree with the head's to 1e-5 in float32 on the same machine. They are not divided by the temperature, which
    stands in config.json as `calibration_temperature`.

    Args:
        model: `default`, `default-zh`, or a model folder, as `pipelines evaluate` takes it.
        task: which head.
        out: folder to write, new or empty.

    Raises:
        ConfigError: no such model, it has no such head, or something is in the folder to write.
    """
    folder = folder_of(str(model))
    _check_free(out, folder)
    network, heads = load_model(folder)
    if task not in heads["heads"]:
        raise ConfigError(f"{folder}: no {task} head; it has {', '.join(heads['heads'])}")
    head = heads["heads"][task]
    config = network.encoder.config
    config.num_labels = len(head["id2label"])
    config.id2label = {int(i): name for i, name in head["id2label"].items()}
    config.label2id = {name: int(i) for i, name in head["id2label"].items()}
    config.calibration_temperature = head["temperature"]
    plain = AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]
    plain.base_model.load_state_dict(network.encoder.state_dict())
    plain.classifier.load_state_dict(network.heads[task].state_dict())
    plain.save_pretrained(out)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    segments = getattr(config, "type_vocab_size", 1) > 1
    save_plain_tokenizer(tokenizer, out, int(heads["max_tokens"]), segments=segments)
    card = (folder / "README.md").read_text(encoding="utf-8") if (folder / "README.md").is_file() else ""
    (out / "README.md").write_text(f"The {task} head of the model below, by itself.\n\n{card}", encoding="utf-8")
    (out / "origin.json").write_text(
        json.dumps({"name": heads["name"], "version": heads["version"], "head": task}) + "\n", encoding="utf-8"
    )


def _check_free(out: Path, folder: Path) -> None:
    """Files of another model would be taken for this one's, and the model itself must outlive its export."""
    if out.resolve() == folder.resolve():
        raise ConfigError(f"--out {out}: is the model's own folder; a new or empty one is wanted")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out {out}: is not empty; a new or empty folder is wanted")


def save_plain_tokenizer(tokenizer: Tokenizer, out: Path, max_tokens: int, *, segments: bool = False) -> None:
    """Writes a tokenizer in the form that `AutoTokenizer` loads.

    Args:
        tokenizer: of the encoder.
        out: folder to write to.
        max_tokens: where it cuts when asked to cut.
        segments: whether it gives token_type_ids, by which an encoder tells the two texts of a pair apart.
    """
    inputs = ["input_ids", *(["token_type_ids"] if segments else []), "attention_mask"]
    special = {
        role: token for role, names in _SPECIAL.items() for token in names if tokenizer.token_to_id(token) is not None
    }
    whole = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, model_max_length=max_tokens, model_input_names=inputs, **special
    )
    whole.save_pretrained(out)

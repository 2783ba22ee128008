"""Each form of encoder onto transformers' BertModel: config, float32 safetensors, fast tokenizer.

Guarantees: every weight of the model comes from the file, with the shape that the config asks for; what the file has
beyond that is told. Nothing is unpickled.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import BertWordPieceTokenizer, Tokenizer
from transformers import BertConfig, BertModel

from monitor.errors import ConfigError
from pipelines.encoders.archive import unpack
from pipelines.encoders.catalogue import Encoder
from pipelines.encoders.factorised import FactorisedEmbeddings, WideEmbeddings, widen
from pipelines.encoders.onnx_weights import read_onnx_weights
from pipelines.encoders.tensorflow_checkpoint import TensorFlowCheckpoint

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"
_MAX_EMBEDDING_ERROR = 0.1
# As published with the original; an ONNX file holds the computation and not the config.
_E5_SMALL = BertConfig(
    vocab_size=30522, hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1536
)
# Names in a TensorFlow checkpoint.
_LAYERS = ("bert/encoder/layer_", "bert/pooler/")
_EMBEDDINGS = (
    "bert/embeddings/word_embeddings",
    "bert/embeddings/position_embeddings",
    "bert/embeddings/token_type_embeddings",
    "bert/embeddings/LayerNorm/gamma",
    "bert/embeddings/LayerNorm/beta",
    "bert/encoder/embedding_hidden_mapping_in/kernel",
    "bert/encoder/embedding_hidden_mapping_in/bias",
)
_SPECIAL = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}


@dataclass(frozen=True, slots=True)
class Converted:
    """The config of a converted encoder, and remarks on the conversion for its README."""

    config: BertConfig
    remarks: tuple[str, ...]


def convert(encoder: Encoder, parts: Mapping[str, Path], out: Path) -> Converted:
    """Writes an encoder's weights and tokenizer to `out`.

    Args:
        encoder: its entry in the catalogue.
        parts: the files taken from packages, by role.
        out: an existing folder. What archives unpack to goes beside the files taken.

    Raises:
        ConfigError: a file is not in its form, or its weights don't make up the model.
    """
    forms: dict[str, Callable[[Mapping[str, Path], Path], Converted]] = {
        "safetensors": from_safetensors,
        "onnx": from_onnx,
        "tensorflow": from_tensorflow,
    }
    return forms[encoder.form](parts, out)


def from_safetensors(parts: Mapping[str, Path], out: Path) -> Converted:
    """Takes weights that are BertModel's as they are, byte for byte."""
    config = BertConfig.from_dict(json.loads(parts["config"].read_text(encoding="utf-8")))
    try:
        with safe_open(parts["weights"], framework="np") as weights:
            shapes = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    except SafetensorError as exc:
        raise ConfigError(f"{parts['weights'].name}: is no safetensors file: {exc}", reason="encoder") from exc
    left = _check_weights(config, shapes)
    shutil.copyfile(parts["weights"], out / WEIGHTS)
    _save_tokenizer(Tokenizer.from_file(str(parts["tokenizer"])), out)
    return Converted(config, _told(left))


def from_onnx(parts: Mapping[str, Path], out: Path) -> Converted:
    """Gives the initialisers of e5-small's export their names in BertModel."""
    models = [path for path in unpack(parts["weights"], parts["weights"].parent / "unpacked") if path.suffix == ".onnx"]
    if len(models) != 1:
        raise ConfigError(f"{parts['weights'].name} has {len(models)} .onnx files; one is expected", reason="encoder")
    weights, left = read_onnx_weights(models[0])
    tensors = {name: torch.tensor(array) for name, array in weights.items()}
    # The export computes the pooled output without a bias: the exporter drops one of nothing but zeros.
    remarks = [] if "pooler.dense.bias" in tensors else ["The export has no bias of the pooler; it is zero."]
    tensors.setdefault("pooler.dense.bias", torch.zeros(_E5_SMALL.hidden_size))
    left += _save_weights(_E5_SMALL, tensors, out)
    _save_tokenizer(Tokenizer.from_file(str(parts["tokenizer"])), out)
    named = [name for name in left if "." in name]  # the rest are the export's own constants
    return Converted(_E5_SMALL, (*remarks, *_told(named)))


def from_tensorflow(parts: Mapping[str, Path], out: Path) -> Converted:
    """Maps a BERT checkpoint with factorised embeddings (bert4keras writes such) onto BertModel."""
    files = {path.name: path for path in unpack(parts["weights"], parts["weights"].parent / "unpacked")}
    absent = {"bert_config.json", "vocab.txt", "bert_model.ckpt.index"} - files.keys()
    if absent:
        raise ConfigError(f"{parts['weights'].name} has no {', '.join(sorted(absent))}", reason="encoder")
    checkpoint = TensorFlowCheckpoint(files["bert_model.ckpt.index"].with_suffix(""))
    arrays = {name: checkpoint.tensor(name) for name in checkpoint.entries}
    published = json.loads(files["bert_config.json"].read_text(encoding="utf-8"))
    config = BertConfig.from_dict({key: value for key, value in published.items() if key in BertConfig().to_dict()})
    tokenizer = BertWordPieceTokenizer(str(files["vocab.txt"]), lowercase=True)
    cls_id, sep_id = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    if cls_id is None or sep_id is None:
        raise ConfigError("vocab.txt has no [CLS] or no [SEP]", reason="encoder")
    wide = widen(_factorised(arrays), cls_id, sep_id)
    if wide.error > _MAX_EMBEDDING_ERROR:
        raise ConfigError(f"the embeddings can't be widened: off by {wide.error:.0%} on average", reason="encoder")
    left = _save_weights(config, _layer_weights(arrays) | _embedding_weights(wide), out)
    left += [name for name in arrays if not name.startswith(_LAYERS) and name not in _EMBEDDINGS]
    _save_tokenizer(Tokenizer.from_str(tokenizer.to_str()), out)
    fitted = (
        f"The embeddings are fitted, and off by {wide.error:.1%} of their length on average (more after each layer)."
    )
    return Converted(config, (fitted, "All other weights are the original's.", *_told(left)))


def _factorised(arrays: Mapping[str, np.ndarray]) -> FactorisedEmbeddings:
    absent = [name for name in _EMBEDDINGS if name not in arrays]
    if absent:
        raise ConfigError(f"the checkpoint has no {absent[0]}", reason="encoder")
    tensors = (torch.tensor(arrays[name], dtype=torch.float64) for name in _EMBEDDINGS)
    word, position, segment, gamma, beta, kernel, bias = tensors
    return FactorisedEmbeddings(word, position, segment, gamma, beta, kernel.T.contiguous(), bias)


def _embedding_weights(wide: WideEmbeddings) -> dict[str, torch.Tensor]:
    return {
        "embeddings.word_embeddings.weight": wide.word,
        "embeddings.position_embeddings.weight": wide.position,
        "embeddings.token_type_embeddings.weight": wide.segment,
        "embeddings.LayerNorm.weight": wide.gamma,
        "embeddings.LayerNorm.bias": wide.beta,
    }


def _layer_weights(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Layers and pooler by their names in BertModel; TensorFlow's kernels are (in, out)."""
    weights = {}
    for name, array in arrays.items():
        if name.startswith(_LAYERS):
            path = name.removeprefix("bert/").replace("layer_", "layer.").replace("/", ".")
            *rest, last = path.split(".")
            values = array.T if last == "kernel" else array
            last = {"kernel": "weight", "gamma": "weight", "beta": "bias"}.get(last, last)
            weights[".".join([*rest, last])] = torch.tensor(values)
    return weights


def _save_weights(config: BertConfig, weights: Mapping[str, torch.Tensor], out: Path) -> list[str]:
    """Writes the model's weights and returns the names of those that it has no use for."""
    left = _check_weights(config, {name: tuple(tensor.shape) for name, tensor in weights.items()})
    kept = {name: tensor.float().contiguous() for name, tensor in weights.items() if name not in left}
    save_file(kept, out / WEIGHTS, metadata={"format": "pt"})
    (out / WEIGHTS).chmod(0o644)  # the library keeps it from other users, unlike every other file of the folder
    return left


def _check_weights(config: BertConfig, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Returns the names that the model has no use for; a ConfigError if it lacks one or it has another shape."""
    with torch.device("meta"):
        wanted = {name: tuple(p.shape) for name, p in BertModel(config, add_pooling_layer=True).named_parameters()}
    misfits = [name for name, shape in wanted.items() if shapes.get(name) != shape]
    if misfits:
        told = [f"{name} is {shapes.get(name, 'absent')}, not {wanted[name]}" for name in misfits[:5]]
        raise ConfigError(f"{len(misfits)} weights are not this model's: {'; '.join(told)}", reason="encoder")
    return [name for name in shapes if name not in wanted]


def _save_tokenizer(tokenizer: Tokenizer, out: Path) -> None:
    # Some are published with the padding and the length of one use; whoever loads them sets their own.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(out / TOKENIZER))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **_SPECIAL}
    settings["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _told(left: list[str]) -> tuple[str, ...]:
    return (f"Not used: {', '.join(sorted(left))}.",) if left else ()

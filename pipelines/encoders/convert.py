"""Each form of encoder onto transformers' model: config, float32 safetensors, fast tokenizer.

Guarantees: every weight of the model comes from the file, with the shape that the config asks for; what the file has
beyond that is told. Nothing is unpickled.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import BertWordPieceTokenizer, Tokenizer
from tokenizers.normalizers import Replace, Sequence
from transformers import BertConfig, BertModel, ElectraConfig, ElectraModel

from monitor.errors import ConfigError
from pipelines.encoders.archive import unpack
from pipelines.encoders.catalogue import Encoder
from pipelines.encoders.onnx_weights import read_onnx_weights
from pipelines.encoders.tensorflow_checkpoint import TensorFlowCheckpoint

AnyConfig = BertConfig | ElectraConfig
WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"
# As published with the original; an ONNX file holds the computation and not the config.
_E5_SMALL = BertConfig(
    vocab_size=30522, hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1536
)
# SimBERT's published config says 0.0, which is only how it was exported; to tune it takes BERT's.
_DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
_DROPOUT_REMARK = "All weights are the original's. Dropout is 0.1 as in BERT; the published 0.0 is how it was exported."
# SimBERT's vocabulary lacks these, which Chinese headlines are full of: each would be [UNK].
_NEAREST = {"“": '"', "”": '"', "‘": "'", "’": "'", "—": "-", "–": "-", "…": "..."}
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

    config: AnyConfig
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
    """Maps a BERT checkpoint with factorised embeddings (bert4keras writes such) onto ElectraModel, which has them too.

    ElectraModel has no pooler; what the checkpoint has of one is left, as is its language model's head.
    """
    files = {path.name: path for path in unpack(parts["weights"], parts["weights"].parent / "unpacked")}
    absent = {"bert_config.json", "vocab.txt", "bert_model.ckpt.index"} - files.keys()
    if absent:
        raise ConfigError(f"{parts['weights'].name} has no {', '.join(sorted(absent))}", reason="encoder")
    published = json.loads(files["bert_config.json"].read_text(encoding="utf-8"))
    known = {key: value for key, value in published.items() if key in ElectraConfig().to_dict()}
    config = ElectraConfig.from_dict(known | _DROPOUT)
    checkpoint = TensorFlowCheckpoint(files["bert_model.ckpt.index"].with_suffix(""))
    names = {name: _electra_name(name) for name in checkpoint.entries}
    weights = {}
    for name, ours in names.items():
        array = checkpoint.tensor(name)
        # TensorFlow's kernels are (in, out).
        weights[ours] = torch.tensor(array.T if name.endswith("/kernel") else array)
    unused = _save_weights(config, weights, out)
    _save_tokenizer(_chinese_tokenizer(files["vocab.txt"]), out)
    return Converted(config, (_DROPOUT_REMARK, *_told([name for name, ours in names.items() if ours in unused])))


def _electra_name(name: str) -> str:
    """A variable's name in ElectraModel, or one that it doesn't know."""
    name = name.removeprefix("bert/").replace("encoder/embedding_hidden_mapping_in", "embeddings_project")
    *path, last = name.replace("layer_", "layer/").split("/")
    if last.endswith("_embeddings"):
        return ".".join([*path, last, "weight"])
    return ".".join([*path, {"kernel": "weight", "gamma": "weight", "beta": "bias"}.get(last, last)])


def _chinese_tokenizer(vocabulary: Path) -> Tokenizer:
    """BERT's word pieces of a vocabulary; punctuation that it lacks is read as the nearest that it has."""
    pieces = set(vocabulary.read_text(encoding="utf-8").splitlines())
    absent = [piece for piece in _SPECIAL.values() if piece not in pieces]
    if absent:
        raise ConfigError(f"{vocabulary.name} has no {', '.join(absent)}", reason="encoder")
    tokenizer = Tokenizer.from_str(BertWordPieceTokenizer(str(vocabulary), lowercase=True).to_str())
    nearest = [Replace(mark, plain) for mark, plain in _NEAREST.items() if mark not in pieces]
    tokenizer.normalizer = Sequence([*nearest, tokenizer.normalizer])
    return tokenizer


def _save_weights(config: AnyConfig, weights: Mapping[str, torch.Tensor], out: Path) -> list[str]:
    """Writes the model's weights and returns the names of those that it has no use for."""
    left = _check_weights(config, {name: tuple(tensor.shape) for name, tensor in weights.items()})
    kept = {name: tensor.float().contiguous() for name, tensor in weights.items() if name not in left}
    save_file(kept, out / WEIGHTS, metadata={"format": "pt"})
    (out / WEIGHTS).chmod(0o644)  # the library keeps it from other users, unlike every other file of the folder
    return left


def _check_weights(config: AnyConfig, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Returns the names that the model has no use for; a ConfigError if it lacks one or it has another shape."""
    with torch.device("meta"):
        model = ElectraModel(config) if isinstance(config, ElectraConfig) else BertModel(config, add_pooling_layer=True)
    wanted = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
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

"""Encoders of a few hundred weights, in each form that the catalogue knows, with what they compute."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from tokenizers import BertWordPieceTokenizer
from torch import nn
from transformers import BertConfig, BertModel, ElectraModel, PreTrainedModel

from pipelines.encoders import convert
from pipelines.encoders.catalogue import Form
from tests.unit.encoders.written import onnx_model, onnx_node, onnx_tensor, write_checkpoint

FORMS: tuple[Form, ...] = ("safetensors", "onnx", "tensorflow")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*SPECIAL, "oil", "profit", "rate", "##s", "油", "价", '"', "'", "-", ".", "《", *map(str, range(20))]
NARROW = 16


@dataclass(frozen=True, slots=True)
class Tiny:
    """An encoder's form; its files by their names in a wheel, and those names by role.

    Attributes:
        outputs: (1, tokens) ids to the last hidden state.
        loads_as: the class that AutoModel should give.
        not_used: names that the file has and that class has no use for.
    """

    form: Form
    files: dict[str, bytes]
    roles: dict[str, str]
    outputs: Callable[[torch.Tensor], torch.Tensor]
    loads_as: type[PreTrainedModel]
    not_used: tuple[str, ...]


def tiny(form: str, folder: Path, monkeypatch: pytest.MonkeyPatch, leave_out: str | None = None) -> Tiny:
    """Builds one; `leave_out` names a weight that its file lacks."""
    config = BertConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=24,
        vocab_size=len(VOCABULARY),
    )
    torch.manual_seed(3)
    model = BertModel(config, add_pooling_layer=True)
    model.train(False)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    if form == "tensorflow":
        return _tensorflow(model, config, folder)
    tokenizer = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
    tokenizer.enable_truncation(3)  # of one use, as published tokenizers have it
    files = {"t/tokenizer.json": tokenizer.to_str().encode()}
    if form == "onnx":
        monkeypatch.setattr(convert, "_E5_SMALL", config)
        model.get_parameter("pooler.dense.bias").data.zero_()
        files["t/model.tar.gz"] = _onnx(model)
        roles = {"weights": "t/model.tar.gz", "tokenizer": "t/tokenizer.json"}
        return Tiny("onnx", files, roles, _hidden(model), BertModel, ("embeddings.position_ids",))
    weights = {name: tensor for name, tensor in model.state_dict().items() if name != leave_out}
    files["t/model.safetensors"] = save({**weights, "embeddings.position_ids": torch.arange(24)})
    files["t/config.json"] = config.to_json_string().encode()
    roles = {"weights": "t/model.safetensors", "config": "t/config.json", "tokenizer": "t/tokenizer.json"}
    return Tiny("safetensors", files, roles, _hidden(model), BertModel, ("embeddings.position_ids",))


def _hidden(model: BertModel) -> Callable[[torch.Tensor], torch.Tensor]:
    def outputs(ids: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            hidden: torch.Tensor = model(input_ids=ids).last_hidden_state
        return hidden

    return outputs


def _onnx(model: BertModel) -> bytes:
    """As PyTorch's exporter leaves the names: those of linear weights are lost, and a bias of zeros is dropped."""
    nodes: list[bytes] = []
    tensors, data = [onnx_tensor("embeddings.position_ids", np.arange(24))], b""
    for name, tensor in model.state_dict().items():
        array = tensor.numpy()
        if name == "pooler.dense.bias" or not name.startswith(("embeddings.", "encoder.", "pooler.")):
            continue
        is_linear = name.startswith("encoder.") and array.ndim == 2
        if is_linear:
            number = len(nodes)
            bias = name.removesuffix("weight") + "bias"
            nodes += [onnx_node("MatMul", ["x", f"val_{number}"], f"product_{number}")]
            nodes += [onnx_node("Add", [f"product_{number}", bias], f"sum_{number}")]
            array = np.ascontiguousarray(array.T)
        stored_as = f"val_{len(nodes) - 2}" if is_linear else name
        tensors.append(onnx_tensor(stored_as, array, ("model.onnx.data", len(data))))
        data += array.tobytes()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for file, raw in (("model.onnx", onnx_model(nodes, tensors)), ("model.onnx.data", data)):
            info = tarfile.TarInfo(file)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return content.getvalue()


class _Factorised(nn.Module):
    """BERT's embeddings in a narrow space, and a projection; written out, so that it is nobody's model but the test's."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word = nn.Embedding(config.vocab_size, NARROW)
        self.position = nn.Embedding(config.max_position_embeddings, NARROW)
        self.segment = nn.Embedding(2, NARROW)
        self.norm = nn.LayerNorm(NARROW, eps=1e-12)
        self.project = nn.Linear(NARROW, config.hidden_size)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        places = torch.arange(ids.shape[1])
        embedded: torch.Tensor = self.project(
            self.norm(self.word(ids) + self.position(places) + self.segment(torch.zeros_like(ids)))
        )
        return embedded


def _variables(model: BertModel, embeddings: _Factorised) -> dict[str, np.ndarray]:
    """By their names in a TensorFlow checkpoint; one in double precision."""
    tensors = {
        "bert/embeddings/word_embeddings": embeddings.word.weight.double(),
        "bert/embeddings/position_embeddings": embeddings.position.weight,
        "bert/embeddings/token_type_embeddings": embeddings.segment.weight,
        "bert/embeddings/LayerNorm/gamma": embeddings.norm.weight,
        "bert/embeddings/LayerNorm/beta": embeddings.norm.bias,
        "bert/encoder/embedding_hidden_mapping_in/kernel": embeddings.project.weight.T,
        "bert/encoder/embedding_hidden_mapping_in/bias": embeddings.project.bias,
        "cls/predictions/output_bias": torch.zeros(len(VOCABULARY)),
    }
    for name, tensor in model.state_dict().items():
        if name.startswith(("encoder.", "pooler.")):
            path = name.replace("layer.", "layer_").replace(".", "/").replace("LayerNorm/bias", "LayerNorm/beta")
            path = path.replace("LayerNorm/weight", "LayerNorm/gamma").replace("weight", "kernel")
            tensors[f"bert/{path}"] = tensor.T if path.endswith("kernel") else tensor
    return {name: np.ascontiguousarray(tensor.detach().numpy()) for name, tensor in tensors.items()}


def _tensorflow(model: BertModel, config: BertConfig, folder: Path) -> Tiny:
    embeddings = _Factorised(config)
    for parameter in embeddings.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    written = folder / "checkpoint"
    written.mkdir()
    write_checkpoint(written / "bert_model.ckpt", _variables(model, embeddings))
    # As it is published: without dropout.
    published = {"embedding_size": NARROW, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (written / "bert_config.json").write_text(json.dumps(config.to_dict() | published), encoding="utf-8")
    (folder / "vocab.txt").rename(written / "vocab.txt")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in sorted(written.iterdir()):
            archive.write(file, f"tiny/{file.name}")

    def outputs(ids: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            hidden: torch.Tensor = model.encoder(embeddings(ids)).last_hidden_state
        return hidden

    files, roles = {"data/t.zip": content.getvalue()}, {"weights": "data/t.zip"}
    left = ("bert/pooler/dense/kernel", "bert/pooler/dense/bias", "cls/predictions/output_bias")
    return Tiny("tensorflow", files, roles, outputs, ElectraModel, left)

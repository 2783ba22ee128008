"""Recipes: what a training run is made of, as a small TOML file with only what differs from the defaults here."""

from __future__ import annotations

import posixpath
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from monitor.errors import ConfigError
from pipelines.datasets.examples import Example
from pipelines.datasets.hashed_labels import load_hashed_labels
from pipelines.datasets.labels import cleaned
from pipelines.datasets.load import load_examples
from pipelines.labels.label_set import load_label_set

SWAP_LANGUAGES = ("en", "zh")  # those that pipelines.evaluation.swap has headlines in
OWN = "own/"  # files of our own writing, beside the loaders; every other name is under the data folder
_MEASURING = ("blind", "development")  # in the names of those that measure and never teach
OWN_FOLDER = Path(__file__).parent.parent / "datasets" / "own"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataFile(_Table):
    """One labelled file."""

    file: str = Field(description="Name under the data folder; own/... is what comes with the program.")
    kind: str = Field(description="Format, see pipelines.datasets.load.")
    licence: str = Field("", description="Licence of the data, for the model card.")
    repeat: int = Field(1, ge=1, le=20, description="How often an epoch sees each row.")
    texts: str = Field("", description="Kind hashed_labels: the file that holds the texts, under the data folder.")
    clean: bool = Field(False, description="Drop repeated texts, and every text that comes with different labels.")
    share: float = Field(1.0, gt=0, le=1, description="Only this share of the file, by near-duplicate cluster.")
    taught: bool = Field(False, description="Its rows are also learnt from the probabilities of `--teacher`.")

    def path(self, data: Path) -> Path:
        """Where it is, given the data folder."""
        return OWN_FOLDER / self.file.removeprefix(OWN) if self.file.startswith(OWN) else data / self.file

    def measured(self, data: Path) -> Path:
        """The file that its SHA-256 is told of."""
        path = self.path(data)
        return path / "manifest.json" if self.kind == "label_set" and path.is_dir() else path

    def examples(self, data: Path) -> list[Example]:
        """Its rows, given the data folder."""
        if self.kind == "hashed_labels":
            return load_hashed_labels(self.path(data), data / self.texts)
        if self.kind == "label_set":
            return load_label_set(self.path(data))
        rows = load_examples(self.path(data), self.kind)
        return cleaned(rows) if self.clean else rows


class LoopOptions(_Table):
    """How to train; the rates are AdamW's peak learning rates."""

    epochs: int = Field(3, ge=0, le=1000, description="0: only temperatures and figures of what it starts from.")
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(1.2e-4, gt=0, description="Encoder.")
    head_learning_rate: float = Field(1e-3, gt=0, description="Heads, which start from nothing.")
    layer_decay: float = Field(1.0, gt=0, le=1, description="Factor on the rate per layer further from the heads.")
    warmup_ratio: float = Field(0.06, ge=0, lt=1)
    weight_decay: float = Field(0.01, ge=0)
    class_weight_power: float = Field(0.0, ge=0, le=2, description="0: rows count alike; 0.5: by root of rarity.")
    focal_gamma: float = Field(0.0, ge=0, le=5, description="Focal loss (Lin et al., 2017); 0 is cross-entropy.")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    teacher_weight: float = Field(0.5, gt=0, le=10, description="Of the teacher's loss; a label's counts 1.")
    average_decay: float = Field(0.0, ge=0, lt=1, description="Running mean of the weights per step; 0 keeps the last.")
    lora_rank: int = Field(0, ge=0, le=512, description="Low-rank adapters in the attention; 0 tunes every weight.")
    patience: int = Field(2, ge=1, description="Epochs without a better macro-F1 after which training stops.")
    checkpoint_steps: int = Field(200, ge=1, description="Steps between checkpoints to resume from.")
    seed: int = Field(13, ge=0)


class Recipe(_Table):
    """One run."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    language: str = Field("en", pattern="^[a-z]{2}$")
    tasks: tuple[Literal["sentiment", "topic", "ner"], ...] = Field(("sentiment", "topic"), min_length=1)
    encoder: str = Field(min_length=1, description="Folder or hub name.")
    encoder_licence: str = ""
    encoder_sha256: str = Field(
        "",
        pattern="^([0-9a-f]{64})?$",
        description="Of its model.safetensors: an --encoder folder with these weights goes by the encoder's name and licence.",
    )
    max_tokens: int = Field(128, ge=8, le=512, description="Longest text that the saved model reads, in word pieces.")
    train_tokens: int = Field(64, ge=8, le=512, description="Longest text while training; the rest is cut.")
    leaks: Literal["error", "drop"] = Field(
        "error", description="What becomes of a training row that is a near-duplicate of a held-out one."
    )
    calibration_share: float = Field(0.06, gt=0, lt=1, description="Kept for temperatures and early stopping.")
    class_bias: bool = Field(False, description="Calibrate by a bias per class as well as by a temperature.")
    loop: LoopOptions = LoopOptions()
    train: tuple[DataFile, ...] = Field(min_length=1)
    held_out: tuple[DataFile, ...] = ()
    enabled: bool = Field(True, description="Whether the model serves its language by default once it is shipped.")
    entity_swap: bool = Field(False, description="Also measure how far a company's name sways the sentiment.")
    notes: str = Field("", description="Goes into the model card.")

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        if "ner" in self.tasks and len(self.tasks) > 1:
            raise ValueError("tasks: ner is trained by itself")
        if "ner" in self.tasks and any(part.repeat > 1 or part.share < 1 or part.clean for part in self.train):
            raise ValueError("train: repeat, share and clean are not for ner")
        if self.entity_swap and ("sentiment" not in self.tasks or self.language not in SWAP_LANGUAGES):
            raise ValueError(f"entity_swap: needs the task sentiment and a language of {', '.join(SWAP_LANGUAGES)}")
        if "ner" in self.tasks and (self.class_bias or any(part.taught for part in self.train)):
            raise ValueError("class_bias and train: taught are not for ner")
        if "ner" in self.tasks and self.loop.epochs == 0:
            raise ValueError("loop.epochs: 0 is not for ner, whose head starts from nothing")
        for part in self.train:
            if measures_only(part.file):
                raise ValueError(f"train: {part.file}: measures and never teaches; name it under held_out")
        if self.train_tokens > self.max_tokens:
            raise ValueError("train_tokens must not exceed max_tokens")
        return self


def measures_only(file: str) -> bool:
    """Whether a file of our own writing measures and never teaches, going by its name, however the path is written."""
    name = posixpath.normpath(file)
    return name.startswith(OWN) and any(word in posixpath.basename(name) for word in _MEASURING)


def load_recipe(path: Path) -> Recipe:
    """Reads a recipe.

    Raises:
        ConfigError: no such file, not TOML, an unknown key or a value that is not allowed; names file and key.
    """
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise ConfigError(f"{path}: no recipe that can be read ({exc.strerror})") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: not TOML: {exc}") from exc
    except ValidationError as exc:
        lines = [f"{path}: {'.'.join(map(str, error['loc'])) or 'recipe'}: {error['msg']}" for error in exc.errors()]
        raise ConfigError("\n".join(lines)) from exc

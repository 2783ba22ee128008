"""The options of `pipelines evaluate`: values and command-line arguments.

Guarantees: what can be wrong by itself is a ConfigError here, before a model or a file is opened, which takes seconds.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from monitor.errors import ConfigError
from pipelines.evaluation.label_names import LabelNames

TASKS = ("sentiment", "topic", "entity", "ner")


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What to evaluate, and how.

    Attributes:
        model: `default`, `default-zh`, or a checkpoint's folder.
        data: labelled file; None only with `bias`.
        kind: how the file is written; None guesses.
        task: one of `TASKS`; None takes all that the model and the file have in common.
        texts: the texts, where `data` holds their SHA-256 in their place.
        clean: without repeated texts and without texts that come with different labels.
        json, markdown, png: files to write.
        folds: figures also by fold, with mean and spread; None leaves them out.
        baseline: also TF-IDF with a linear SVM.
        train: files for the baseline; without any it is cross-validated within the evaluated file.
        mistakes: how many of the most confident mistakes are told.
        labels: other spellings of labels.
        check_leaks: folder with the model's training files.
        bias: also the entity swap.
        language: of the entity swap; None takes the model's.
    """

    model: str
    data: Path | None = None
    kind: str | None = None
    task: str | None = None
    texts: Path | None = None
    clean: bool = False
    json: Path | None = None
    markdown: Path | None = None
    png: Path | None = None
    folds: int | None = None
    baseline: bool = True
    train: tuple[Path, ...] = ()
    mistakes: int = 10
    labels: LabelNames = field(default_factory=LabelNames)
    check_leaks: Path | None = None
    bias: bool = False
    language: str | None = None
    device: str = "auto"
    backend: str = "torch"

    def __post_init__(self) -> None:
        if self.data is None and not self.bias:
            raise ConfigError("evaluate: --data FILE, --bias, or both")
        if self.data is None and self.png is not None:
            raise ConfigError("--png: needs --data; the entity swap has no picture")
        if self.folds is not None and self.folds < 2:
            raise ConfigError(f"--folds {self.folds}: must be 2 or more")
        if self.mistakes < 0:
            raise ConfigError(f"--mistakes {self.mistakes}: must be 0 or more")
        for path in (self.data, self.texts, *self.train):
            if path is not None and not path.exists():
                raise ConfigError(f"{path}: no such file")
        for flag, path in (("--json", self.json), ("--markdown", self.markdown), ("--png", self.png)):
            if path is None:
                continue
            if not path.absolute().parent.is_dir():
                raise ConfigError(f"{flag} {path}: there is no folder {path.absolute().parent}")
            if path.is_dir():
                raise ConfigError(f"{flag} {path}: is a folder")
            if self.data is not None and path.resolve() == self.data.resolve():
                raise ConfigError(f"{flag} {path}: would overwrite the data")
        if self.png is not None and self.png.suffix.lower() != ".png":
            raise ConfigError(f"--png {self.png}: the name must end in .png")


def add_evaluation_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `pipelines evaluate`; `evaluation_options` reads them."""
    parser.add_argument("model", metavar="MODEL", help="default, default-zh, or a checkpoint's folder")
    _add_where_it_runs(parser)
    data = parser.add_argument_group("the labelled file")
    data.add_argument("--data", type=Path, metavar="FILE", help="such as a CSV with the columns text,label")
    data.add_argument("--kind", metavar="KIND", help="how the file is written (default: guessed)")
    data.add_argument(
        "--texts", type=Path, metavar="FILE", help="CSV with the texts, where --data holds text_sha256 in their place"
    )
    data.add_argument(
        "--clean", action="store_true", help="without repeated texts and texts that come with different labels"
    )
    data.add_argument("--task", choices=TASKS, help="default: all that the model and the file have in common")
    data.add_argument(
        "--labels", action="append", default=[], metavar="WRITTEN=MEANT,...",
        help="what labels mean that the model writes differently, such as 0=negative,1=neutral,2=positive",
    )  # fmt: skip
    data.add_argument(
        "--check-leaks", type=Path, metavar="DIR",
        help="folder with the model's training files: also the figures without rows that are near-duplicates of them",
    )  # fmt: skip
    beside = parser.add_argument_group("beside the model")
    beside.add_argument("--no-baseline", dest="baseline", action="store_false", help="no TF-IDF with a linear SVM")
    beside.add_argument(
        "--train", type=Path, nargs="+", default=[], metavar="FILE",
        help="labelled files to train the baseline on (default: 5 folds of the evaluated file)",
    )  # fmt: skip
    beside.add_argument(
        "--folds", type=int, nargs="?", const=10, metavar="K", help="also by fold, with mean and spread (K: %(const)s)"
    )
    swap = parser.add_argument_group("entity swap")
    swap.add_argument("--bias", action="store_true", help="how far company names sway the sentiment; needs no --data")
    swap.add_argument("--language", choices=("en", "zh"), help="of its headlines (default: the model's)")
    out = parser.add_argument_group("what is told")
    out.add_argument("--mistakes", type=int, default=10, metavar="N", help="most confident ones (default: %(default)s)")
    out.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    out.add_argument("--markdown", type=Path, metavar="FILE", help="write a report here")
    out.add_argument("--png", type=Path, metavar="FILE", help="write reliability and confusion here, as a picture")


def _add_where_it_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: %(default)s")
    parser.add_argument(
        "--backend",
        choices=("torch", "onnx", "onnx_int8"),
        default="torch",
        help="what runs it, as classifier.backend; onnx_int8 is what a CPU serves by (default: %(default)s, float32)",
    )


def evaluation_options(args: argparse.Namespace) -> EvaluateOptions:
    """Reads what `add_evaluation_arguments` added.

    Raises:
        ConfigError: says which flag is wrong, and what is allowed.
    """
    given = {name: value for name, value in vars(args).items() if name in EvaluateOptions.__dataclass_fields__}
    return EvaluateOptions(**{**given, "train": tuple(args.train), "labels": LabelNames.parse(args.labels)})

"""Fine-tuning: labelled text in, a calibrated checkpoint with its model card out; and what its commands take."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.training.run import RunOptions

_RECIPES = Path(__file__).parent / "recipes"


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `pipelines train` takes."""
    shared = os.environ.get("SHARED_DATA_DIR")
    parser.add_argument(
        "--recipe",
        type=_recipe,
        default=_RECIPES / "default_en_1.toml",
        metavar="FILE.toml",
        help=f"a file, or one of {', '.join(sorted(path.stem for path in _RECIPES.glob('*.toml')))}; default: default_en_1",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=None if shared is None else Path(shared),
        required=shared is None,
        metavar="DIR",
        help="folder that the recipe's files are in; default: SHARED_DATA_DIR",
    )
    _add_start_arguments(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="model folder to write; a run that was killed goes on there",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: %(default)s")
    parser.add_argument("--wandb", metavar="PROJECT", help="also send the curves to Weights & Biases")
    parser.add_argument("--anew", action="store_true", help="forget the checkpoint of a run that was killed")


def _add_start_arguments(parser: argparse.ArgumentParser) -> None:
    """What the run begins with besides the recipe."""
    parser.add_argument("--encoder", metavar="PATH_OR_NAME", help="in place of the recipe's encoder")
    parser.add_argument(
        "--mean-with",
        type=Path,
        action="append",
        metavar="MODEL",
        help="start at the mean of the weights of the model --encoder and this one; may be repeated",
    )
    parser.add_argument(
        "--keep-as", type=Path, metavar="MODEL", help="keep the rows from fitting that this model has kept from it"
    )
    parser.add_argument(
        "--teacher", type=Path, metavar="MODEL", help="the model that a recipe's `taught` files are also learnt from"
    )


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `pipelines export` takes."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="default, default-zh, or a model folder")
    parser.add_argument("--task", required=True, choices=("sentiment", "topic"), help="which head")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint folder to write")


def run_options(args: argparse.Namespace) -> RunOptions:
    """What the flags say."""
    from pipelines.training.run import RunOptions  # noqa: PLC0415 - torch takes seconds to import

    return RunOptions(
        args.data,
        args.out,
        args.encoder,
        args.device,
        args.wandb,
        args.anew,
        mean_with=tuple(args.mean_with or ()),
        keep_as=args.keep_as,
        teacher=args.teacher,
    )


def _recipe(name: str) -> Path:
    shipped = _RECIPES / f"{name}.toml"
    return shipped if shipped.is_file() else Path(name)

"""Checkpoints of a run under way, to resume it after a kill with the result that it would have had.

Weights, AdamW's state, the mean weights and the random state as safetensors; positions and scores as JSON. Written
beside and renamed, so that a kill while writing leaves the checkpoint before.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from monitor.errors import ConfigError
from pipelines.training.weights import WeightMean


@dataclass(slots=True)
class Position:
    """How far a run is: steps and epochs done, the macro-F1 after each epoch, and the weights of the best."""

    step: int = 0
    epoch: int = 0
    scores: list[float] = field(default_factory=list)
    best: dict[str, torch.Tensor] | None = None

    def finished(self, epochs: int, patience: int) -> bool:
        """Whether all epochs are done, or the last `patience` were no better than the best before."""
        if self.epoch >= epochs:
            return True
        return bool(self.scores) and len(self.scores) - 1 - self.scores.index(max(self.scores)) >= patience

    def judged(self, score: float, model: nn.Module) -> None:
        """Takes down an epoch's score, and its weights if it is the best so far."""
        self.scores.append(score)
        if score >= max(self.scores):
            self.best = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}


class Checkpoints:
    """Where a run's state is kept.

    Args:
        folder: holds one checkpoint.
        identity: what the run is made of; a checkpoint of another run is an error, not a start.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self._folder, self._identity = folder, identity

    def save(
        self, model: nn.Module, optimiser: torch.optim.Optimizer, mean: WeightMean | None, position: Position
    ) -> None:
        """Writes everything, then puts it in the place of what was there."""
        state = optimiser.state_dict()["state"]
        tensors = {f"model.{name}": p.detach() for name, p in model.named_parameters() if p.requires_grad}
        tensors |= {f"adamw.{i}.{key}": value for i, values in state.items() for key, value in values.items()}
        tensors |= {f"best.{name}": value for name, value in (position.best or {}).items()}
        tensors |= {f"mean.{name}": value for name, value in (mean.values if mean else {}).items()}
        tensors["random.cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        beside = self._folder.with_name(self._folder.name + ".new")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, beside / "state.safetensors")
        told = {
            "identity": self._identity,
            "step": position.step,
            "epoch": position.epoch,
            "scores": position.scores,
            "mean_updates": mean.updates if mean else 0,
        }
        (beside / "position.json").write_text(json.dumps(told), encoding="utf-8")
        old = self._folder.with_name(self._folder.name + ".old")
        if self._folder.exists():  # after a kill between the two renames `old` is all there is
            shutil.rmtree(old, ignore_errors=True)
            os.replace(self._folder, old)
        os.replace(beside, self._folder)
        shutil.rmtree(old, ignore_errors=True)

    def resume(self, model: nn.Module, optimiser: torch.optim.Optimizer, mean: WeightMean | None) -> Position:
        """Puts the saved state back and returns its position; the beginning where nothing was saved.

        Raises:
            ConfigError: the checkpoint is another run's, or can't be read.
        """
        folder = self._folder
        if not folder.exists():
            folder = folder.with_name(folder.name + ".old")  # killed between two renames
        if not folder.exists():
            return Position()
        try:
            told = json.loads((folder / "position.json").read_text(encoding="utf-8"))
            tensors = load_file(folder / "state.safetensors")
        except (OSError, ValueError, SafetensorError) as exc:
            raise ConfigError(f"{folder}: no checkpoint that can be read: {exc}; remove it to start anew") from exc
        if told["identity"] != self._identity:
            raise ConfigError(f"{folder}: a checkpoint of another recipe or other data; remove it to start anew")
        self._restore(model, optimiser, mean, tensors)
        if mean:
            mean.updates = int(told["mean_updates"])
        best = {name.removeprefix("best."): value for name, value in tensors.items() if name.startswith("best.")}
        return Position(int(told["step"]), int(told["epoch"]), list(told["scores"]), best or None)

    def clear(self) -> None:
        """Removes what was saved; a finished run needs it no more."""
        for suffix in ("", ".new", ".old"):
            shutil.rmtree(self._folder.with_name(self._folder.name + suffix), ignore_errors=True)

    def _restore(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        mean: WeightMean | None,
        tensors: dict[str, torch.Tensor],
    ) -> None:
        device = next(model.parameters()).device
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.requires_grad:
                    parameter.copy_(tensors[f"model.{name}"])
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("adamw."):
                _, number, key = name.split(".")
                state.setdefault(int(number), {})[key] = value
        whole = optimiser.state_dict()
        optimiser.load_state_dict({**whole, "state": state})
        if mean:
            mean.values = {n.removeprefix("mean."): v.to(device) for n, v in tensors.items() if n.startswith("mean.")}
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])

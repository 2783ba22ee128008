"""Which weights learn how fast, their running mean, and low-rank adapters in place of them."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from pipelines.training.recipe import LoopOptions

_LAYER = re.compile(r"\.layer\.(\d+)\.")
_HEAD = re.compile(r"(?:^|\.)(?:heads?|classifier)\.")  # of the two-head model; of a token classifier
_ATTENTION = ["query", "key", "value", "q", "k", "v"]  # as the supported families name their projections


def parameter_groups(model: nn.Module, options: LoopOptions) -> list[dict[str, Any]]:
    """AdamW's groups: heads at their own rate, encoder layers at a rate that falls with the distance from the heads.

    Biases and layer norms are not decayed.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    top = max((int(found[1]) for name, _ in named if (found := _LAYER.search(name))), default=0) + 1
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in named:
        if _HEAD.search(name):
            rate = options.head_learning_rate
        else:  # what is in no layer stands before the first one, but for the pooler
            found = _LAYER.search(name)
            depth = int(found[1]) + 1 if found else (top if "pooler" in name else 0)
            rate = options.learning_rate * options.layer_decay ** (top - depth)
        decay = options.weight_decay if parameter.ndim > 1 else 0.0
        group = groups.setdefault((rate, decay), {"params": [], "lr": rate, "peak_lr": rate, "weight_decay": decay})
        group["params"].append(parameter)
    return list(groups.values())


class WeightMean:
    """Exponential mean of the weights (Polyak averaging); `swap` exchanges it with the model's own.

    Args:
        model: whose weights.
        decay: per step.
        every: steps between two calls of `update`.
    """

    def __init__(self, model: nn.Module, decay: float, every: int) -> None:
        self._model, self._decay, self._every = model, decay, every
        self.updates = 0
        self.values = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self) -> None:
        """Takes the model's weights into the mean; the first ones count for more, so that the start is forgotten."""
        self.updates += 1
        decay = min(self._decay**self._every, self.updates / (self.updates + 9))
        for name, parameter in self._model.named_parameters():
            if parameter.requires_grad:
                self.values[name].lerp_(parameter, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges mean and model."""
        for name, parameter in self._model.named_parameters():
            if parameter.requires_grad:
                kept = parameter.detach().clone()
                parameter.copy_(self.values[name])
                self.values[name] = kept


def add_adapters(model: nn.Module, prefix: str, rank: int) -> None:
    """Freezes the encoder and adds low-rank adapters to its attention (LoRA; Hu et al., 2021); heads stay free."""
    from peft import LoraConfig, inject_adapter_in_model  # noqa: PLC0415 - takes seconds to import

    encoder = model.get_submodule(prefix)
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    names = {name.rpartition(".")[2] for name, _ in encoder.named_modules()}
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.05, target_modules=[n for n in _ATTENTION if n in names]
    )
    inject_adapter_in_model(config, encoder)


def merge_adapters(model: nn.Module) -> None:
    """Adds the adapters into the weights that they stand beside and removes them: a plain encoder again."""
    from peft.tuners.tuners_utils import BaseTunerLayer  # noqa: PLC0415

    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]
    for name, module in layers:
        module.merge()
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, module.get_base_layer())
    for parameter in model.parameters():
        parameter.requires_grad_(True)

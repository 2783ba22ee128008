"""Runs a two-head model for evaluation by one of the engines that serve it, so that what they change can be measured."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from monitor.adapters.encoder_parts import encoder_parts
from monitor.adapters.engines import engine_of
from monitor.adapters.token_rows import token_row
from monitor.adapters.two_head_model import TwoHeadModel
from monitor.settings import ClassifierSettings
from pipelines.evaluation.scoring import Forward


def engine_forward(model: TwoHeadModel, classes: Mapping[str, int], pad_id: int, backend: str) -> Forward:
    """Makes what a TextModel asks for logits out of an engine on the CPU.

    Args:
        model: in float32.
        classes: number of classes by task.
        pad_id: id of the padding piece.
        backend: as `classifier.backend` has it.

    Raises:
        ConfigError: the backend can't run a model of this family.
    """
    settings = ClassifierSettings.model_validate({"backend": backend, "device": "cpu"})
    parts = encoder_parts(model.encoder.config, model.encoder, dict(model.heads.items()))
    engine = engine_of(model, parts, classes, pad_id, settings)

    def forward(ids: torch.Tensor, mask: torch.Tensor, segments: torch.Tensor) -> dict[str, torch.Tensor]:
        lengths = mask.sum(dim=1).tolist()
        rows = [
            token_row(one[:length].tolist(), kinds[:length].tolist())
            for one, kinds, length in zip(ids, segments, lengths, strict=True)
        ]
        logits = engine.start(rows, ids.numel()).take()
        return {task: torch.from_numpy(values.copy()) for task, values in logits.items()}

    return forward

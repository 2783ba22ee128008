"""Distillation: what a teacher, usually a larger model, says of rows; learnt beside their labels or in place of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from monitor.adapters.torch_classifier import load_tokenizer
from monitor.adapters.two_head_model import load_model
from monitor.errors import ConfigError
from pipelines.datasets.examples import Example
from pipelines.evaluation.figures import softmax
from pipelines.training.loop import predict
from pipelines.training.rows import Rows, text_rows
from pipelines.training.run import pad_id_of


def taught_rows(
    rows: Rows, seen: Sequence[tuple[Example, bool]], teacher: Path | None, names: Mapping[str, Sequence[str]]
) -> Rows:
    """The rows with the teacher's calibrated probabilities, for each task that it has.

    Args:
        rows: encoded for the model to train.
        seen: the same as texts, and whether the teacher is asked of each; the others get zeros.
        teacher: its model folder.
        names: class names by task, in the order of the model to train.

    Raises:
        ConfigError: no teacher was given, or its classes are others.
    """
    asked = [i for i, (_, taught) in enumerate(seen) if taught]
    if not asked:
        return rows
    if teacher is None:
        raise ConfigError("there are taught rows and no teacher")
    model, heads = load_model(teacher)
    tokenizer = load_tokenizer(teacher, int(heads["max_tokens"]))
    encoded = text_rows(tokenizer, [seen[i][0] for i in asked], {}, int(heads["max_tokens"]))
    logits = predict(model, encoded, pad_id_of(tokenizer))
    told_by_task = {}
    for task in names.keys() & heads["heads"].keys():
        head = heads["heads"][task]
        known = list(head["id2label"].values())
        if sorted(known) != sorted(names[task]):
            raise ConfigError(
                f"{teacher}: its {task} classes are {', '.join(known)}; expected {', '.join(names[task])}"
            )
        order = [known.index(name) for name in names[task]]
        told = np.zeros((len(rows), len(order)), dtype=np.float32)
        told[asked] = softmax(np.stack(logits[task]), float(head["temperature"]))[:, order]
        told_by_task[task] = told
    return replace(rows, taught=told_by_task)

"""Runs a model on a CPU by torch in float32: any family, and what the other engines are compared with.

Tolerance: a row's probabilities alone and in any batch agree to 1e-4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from monitor.adapters.token_rows import NoMemoryError, Started, TokenRow, fill
from monitor.errors import ClassifierError

# input_ids, attention_mask, token_type_ids, each (rows, tokens) -> logits by task.
Model = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Mapping[str, torch.Tensor]]


class TorchEngine:
    """Implements Engine.

    Args:
        model: in evaluation mode, on the CPU.
        pad_id: what the ids of short rows are filled up with.
        left: whether before the text.
    """

    def __init__(self, model: Model, pad_id: int, *, left: bool = False) -> None:
        self._model = model
        self._pad_id = pad_id
        self._left = left

    def padded_length(self, length: int) -> int:
        """See Engine."""
        return length

    @torch.inference_mode()
    def start(self, rows: Sequence[TokenRow], budget: int) -> Started:
        """See Engine; computes at once."""
        shape = (len(rows), max(row.length for row in rows))
        ids, types = np.full(shape, self._pad_id, np.int64), np.zeros(shape, np.int64)
        mask = fill(rows, ids, types, left=self._left)
        try:
            told = self._model(torch.from_numpy(ids), torch.from_numpy(mask).long(), torch.from_numpy(types))
        except torch.OutOfMemoryError as exc:
            raise NoMemoryError(str(exc)) from exc
        except RuntimeError as exc:
            raise ClassifierError(f"the model failed on {len(rows)} texts: {exc}", reason="model_failed") from exc
        return Started(ids.size, lambda: {task: values.float().numpy() for task, values in told.items()})

    def make_room(self) -> None:
        """See Engine; nothing is kept."""

"""Narrow embeddings with a projection (as in ALBERT) written as the full-width embeddings of BERT.

A factorised encoder computes W·LayerNorm(x) + b with x the sum of three narrow embeddings; BERT computes LayerNorm of
three wide ones. With wide = M·narrow both are linear in x up to a scale per token, and M and the wide LayerNorm are
fitted so that they agree. What is left is that BERT's embeddings all have the same length, and W's not quite.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import layer_norm

_EPSILON = 1e-12  # of BERT's LayerNorm
_SAMPLE = 4000
_STEPS = 100
_POSITIONS = 128  # that text is likely to reach


@dataclass(frozen=True, slots=True)
class FactorisedEmbeddings:
    """Word (V, n), position (P, n) and segment (2, n) embeddings, LayerNorm (n), projection (w, n) and bias (w)."""

    word: torch.Tensor
    position: torch.Tensor
    segment: torch.Tensor
    gamma: torch.Tensor
    beta: torch.Tensor
    projection: torch.Tensor
    bias: torch.Tensor

    def summed(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Returns x, (tokens, n), of tokens of the first segment."""
        return self.word[ids] + self.position[positions] + self.segment[0]

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the first layer reads, (tokens, w), of summed embeddings (tokens, n)."""
        normalised = layer_norm(x, x.shape[-1:], self.gamma, self.beta, _EPSILON)
        return normalised @ self.projection.T + self.bias


@dataclass(frozen=True, slots=True)
class WideEmbeddings:
    """BERT's: word (V, w), position (P, w), segment (2, w), LayerNorm (w); and how far they are from the original.

    `error` is the mean of |wide − factorised| / |factorised| over tokens and places drawn anew.
    """

    word: torch.Tensor
    position: torch.Tensor
    segment: torch.Tensor
    gamma: torch.Tensor
    beta: torch.Tensor
    error: float


def widen(narrow: FactorisedEmbeddings, cls_id: int, sep_id: int) -> WideEmbeddings:
    """Fits wide embeddings to factorised ones; the same input gives the same result.

    Args:
        narrow: the original, float64.
        cls_id: id of the piece that every text begins with.
        sep_id: id of the piece that every text ends with.
    """
    width = narrow.projection.shape[0]
    generator = torch.Generator().manual_seed(0)
    x = narrow.summed(*_sample(narrow, cls_id, sep_id, generator))
    wanted = narrow.embed(x)
    # Exact where W leaves all lengths in the same proportion; the fit goes on from there. Without the mean of each row,
    # the matrix is blind to the mean of x, as the narrow LayerNorm is.
    offset = narrow.projection @ narrow.beta + narrow.bias
    scale = (wanted - offset).norm(dim=1).mean() / width**0.5
    scaled = narrow.projection * narrow.gamma
    matrix = (scaled - scaled.mean(dim=1, keepdim=True)).contiguous().requires_grad_()
    gamma = scale.repeat(width).requires_grad_()
    beta = offset.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [matrix, gamma, beta],
        max_iter=_STEPS,
        history_size=20,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-10,
        tolerance_change=1e-14,
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = (layer_norm(x @ matrix.T, (width,), gamma, beta, _EPSILON) - wanted).square().mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        fresh = narrow.summed(*_sample(narrow, cls_id, sep_id, generator))
        reached = layer_norm(fresh @ matrix.T, (width,), gamma, beta, _EPSILON)
        error = (reached - narrow.embed(fresh)).norm(dim=1) / narrow.embed(fresh).norm(dim=1)
        word, position, segment = (table @ matrix.T for table in (narrow.word, narrow.position, narrow.segment))
    return WideEmbeddings(word, position, segment, gamma.detach(), beta.detach(), float(error.mean()))


def _sample(
    narrow: FactorisedEmbeddings, cls_id: int, sep_id: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and positions: any word anywhere, and a tenth each of the two pieces that are in every text."""
    positions = min(_POSITIONS, narrow.position.shape[0])
    special = _SAMPLE // 10
    ids = torch.randint(narrow.word.shape[0], (_SAMPLE,), generator=generator)
    at = torch.randint(1, positions, (_SAMPLE + special,), generator=generator)
    ids = torch.cat([ids, torch.full((special,), sep_id), torch.full((special,), cls_id)])
    return ids, torch.cat([at, torch.zeros(special, dtype=torch.long)])

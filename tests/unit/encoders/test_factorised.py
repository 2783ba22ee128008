"""Laws of widening factorised embeddings."""

from __future__ import annotations

import dataclasses
import math

import torch

from pipelines.encoders.factorised import FactorisedEmbeddings, WideEmbeddings, widen

CLS, SEP = 1, 2


def factorised(projection: torch.Tensor, seed: int = 0) -> FactorisedEmbeddings:
    """Random embeddings under a given projection, (w, n)."""
    generator = torch.Generator().manual_seed(seed)
    width, narrow = projection.shape

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return FactorisedEmbeddings(
        word=draw(50, narrow),
        position=draw(20, narrow),
        segment=draw(2, narrow),
        gamma=1 + 0.05 * draw(narrow),
        beta=draw(narrow),
        projection=projection,
        bias=draw(width),
    )


def random_projection(width: int, narrow: int) -> torch.Tensor:
    """As a layer's weights are drawn."""
    generator = torch.Generator().manual_seed(5)
    drawn = torch.randn(width, narrow, generator=generator, dtype=torch.float64)
    return drawn / math.sqrt(narrow)


def embed(wide: WideEmbeddings, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """What BERT computes of them."""
    x = wide.word[ids] + wide.position[positions] + wide.segment[0]
    embedded: torch.Tensor = normalise(x) * wide.gamma + wide.beta
    return embedded


def normalise(x: torch.Tensor) -> torch.Tensor:
    """LayerNorm without its weights, over the last axis."""
    centred = x - x.mean(dim=-1, keepdim=True)
    normalised: torch.Tensor = centred / centred.square().mean(dim=-1, keepdim=True).sqrt()
    return normalised


def test_a_projection_that_keeps_lengths_is_widened_exactly() -> None:
    """Then the scale per token is the same before and after."""
    columns = random_projection(24, 8)
    isometry = torch.linalg.qr(columns - columns.mean(dim=0)).Q
    narrow = dataclasses.replace(factorised(isometry), gamma=torch.ones(8, dtype=torch.float64))
    assert widen(narrow, CLS, SEP).error < 1e-6


def test_any_projection_is_widened_closely() -> None:
    """The wide embeddings of words at their places are about those of the original, and the error says how close."""
    narrow = factorised(random_projection(96, 24))
    wide = widen(narrow, CLS, SEP)
    ids, positions = torch.arange(3, 23), torch.arange(20)
    wanted = narrow.embed(narrow.summed(ids, positions))
    relative = (embed(wide, ids, positions) - wanted).norm(dim=1) / wanted.norm(dim=1)
    assert float(relative.mean()) < 0.1
    assert abs(float(relative.mean()) - wide.error) < 0.05
    plain = normalise(narrow.summed(ids, positions) @ narrow.projection.T)
    assert float(relative.mean()) < 0.5 * float(((plain - wanted).norm(dim=1) / wanted.norm(dim=1)).mean())


def test_the_same_input_gives_the_same_result() -> None:
    """What is drawn for the fit is drawn from a seed of its own."""
    narrow = factorised(random_projection(24, 8))
    first = widen(narrow, CLS, SEP)
    torch.manual_seed(99)
    assert torch.equal(first.word, widen(narrow, CLS, SEP).word)

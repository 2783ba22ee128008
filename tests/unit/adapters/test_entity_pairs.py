"""Laws of the sentiment towards each company of a text, on an untrained model that was "tuned" on pairs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from monitor.adapters.torch_classifier import TorchClassifier
from monitor.adapters.two_head_model import load_model
from monitor.errors import ConfigError
from monitor.messages import ModelInput, Score, sentiment_of
from monitor.settings import ClassifierSettings
from tests.tiny_checkpoints import MAX_TOKENS, two_head_folder
from tests.unit.adapters.noting import Noting

BOTH = (("AAPL", "Apple"), ("ORCL", "Oracle"))
INPUTS = [
    ModelInput("Apple falls, Oracle rises", "en", BOTH),
    ModelInput("oil", "en"),
    ModelInput("Oracle rises at bank 7 after Apple falls at bank 3", "en", BOTH),
    ModelInput("profit falls at plant 7", "en"),
    ModelInput("", "en"),
    ModelInput("Apple, Oracle and Bank", "en", (*BOTH, ("BANK", "Bank"))),
]


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose heads.json says entity_pairs."""
    return two_head_folder(tmp_path_factory.mktemp("model") / "paired", entity_pairs=True)


def classifier(folder: Path, max_batch_tokens: int = 4096) -> TorchClassifier:
    """The live classifier, in full precision."""
    settings = ClassifierSettings(device="cpu", backend="onnx", max_batch_tokens=max_batch_tokens, cache_entries=0)
    return TorchClassifier(settings, folder)


def numbers(score: Score) -> list[float]:
    """All its probabilities."""
    return [*score.probabilities, score.topic_probability, *(p for _, own in score.by_entity for p in own)]


def test_a_companys_sentiment_is_the_sentiment_head_on_the_pair_of_its_name_and_the_text(paired: Path) -> None:
    """Name first, the text as the second segment, calibrated as the head is."""
    asked = INPUTS[0]
    (score,) = classifier(paired).classify([asked])
    model, heads = load_model(paired)
    tokenizer = Tokenizer.from_file(str(paired / "tokenizer.json"))
    assert [key for key, _ in score.by_entity] == ["AAPL", "ORCL"]
    for (_, name), (_, own) in zip(asked.entities, score.by_entity, strict=True):
        pair = tokenizer.encode(name, asked.text)
        ids, types = torch.tensor([pair.ids]), torch.tensor([pair.type_ids])
        assert types.any()
        logits = model(ids, torch.ones_like(ids), types)["sentiment"][0]
        expected = torch.softmax(logits / heads["heads"]["sentiment"]["temperature"], dim=-1)
        assert own == pytest.approx(expected.tolist(), abs=1e-5)
    assert len({own for _, own in score.by_entity} | {score.probabilities}) == 3
    assert score.towards(("entity", "ORCL")) == (sentiment_of(score.by_entity[1][1]), score.by_entity[1][1])
    for subject in (("topic", score.topic), ("all", "all"), ("entity", "MSFT")):
        assert score.towards(subject) == (score.sentiment, score.probabilities)


@pytest.mark.parametrize("budget", [128, 4096])
def test_batched_equals_one_by_one_with_companies_too(paired: Path, budget: int) -> None:
    """Padding, neighbours and other companies change no score."""
    model = classifier(paired, budget)
    alone = [model.classify([one])[0] for one in INPUTS]
    for order in (1, -1):
        for one, other in zip(model.classify(INPUTS[::order]), alone[::order], strict=True):
            assert [key for key, _ in one.by_entity] == [key for key, _ in other.by_entity]
            assert (one.topic, one.sentiment) == (other.topic, other.sentiment)
            assert numbers(one) == pytest.approx(numbers(other), abs=1e-5)
    alone_with_one = model.classify([ModelInput(INPUTS[0].text, "en", BOTH[1:])])[0].by_entity
    assert alone_with_one[0][1] == pytest.approx(alone[0].by_entity[1][1], abs=1e-5)


def test_the_rows_of_companies_count_for_the_batch_budget(paired: Path) -> None:
    """No batch is padded to more than it; each text and each of its companies is one row, and the same row is read once."""
    model, seen = classifier(paired, 128), Noting()
    model.observe(seen)
    model.classify(INPUTS * 3)
    assert seen.misses == len(INPUTS) + 7
    assert seen.hits == 2 * seen.misses
    assert len(seen.batches) > 1
    assert max(text + padding for text, padding in seen.batches) <= 128


def test_a_model_without_pairs_tells_no_company_apart(tmp_path: Path) -> None:
    """The document's sentiment counts for each; nothing else changes."""
    model = classifier(two_head_folder(tmp_path / "single"))
    asked, unasked = model.classify([INPUTS[0], ModelInput(INPUTS[0].text, "en")])
    assert asked == unasked
    assert asked.by_entity == ()


def test_a_company_that_stands_behind_the_cut_has_no_sentiment_of_its_own(paired: Path) -> None:
    """The model never read of it: the document's sentiment is what there is."""
    text = "Apple falls " + "7 " * MAX_TOKENS + "Oracle rises"
    (score,) = classifier(paired).classify([ModelInput(text, "en", BOTH)])
    assert [key for key, _ in score.by_entity] == ["AAPL"]


def test_a_tokenizer_without_a_form_for_pairs_stops_at_start_up(tmp_path: Path) -> None:
    """It would run name and text together."""
    folder = two_head_folder(tmp_path / "model", entity_pairs=True, pair_form=False)
    with pytest.raises(ConfigError, match="no form for pairs"):
        classifier(folder)

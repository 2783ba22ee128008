"""Laws of preparing a pretrained encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, processors
from transformers import BertModel, PreTrainedModel

from monitor.errors import ConfigError
from pipelines.training.encoder import load_encoder, save_tokenizer

TEXTS = ["profit falls at plant 7", "Oil banks", "nobody knows this", ""]


def outputs(model: PreTrainedModel, tokenizer: Tokenizer, text: str) -> torch.Tensor:
    """The pooled output of one text."""
    ids = torch.tensor([tokenizer.encode(text).ids])
    model.train(False)
    with torch.inference_mode():
        pooled: torch.Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids)).pooler_output
    return pooled


def original(folder: Path) -> tuple[BertModel, Tokenizer]:
    """The checkpoint as it is."""
    return BertModel.from_pretrained(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.mark.parametrize("text", TEXTS)
def test_outputs_are_those_of_the_original(encoder_folder: Path, text: str) -> None:
    """What was dropped is never reached."""
    assert torch.allclose(
        outputs(*load_encoder(str(encoder_folder), 16), text), outputs(*original(encoder_folder), text), atol=1e-6
    )


def test_what_can_never_be_used_is_gone(encoder_folder: Path) -> None:
    """Unused word pieces and positions past the longest text."""
    model, tokenizer = load_encoder(str(encoder_folder), 16)
    before = original(encoder_folder)[1].get_vocab()
    dropped = {"[unused0]", "[unused1]", "[unused2]"}
    assert set(tokenizer.get_vocab()) == set(before) - dropped
    assert model.config.vocab_size == len(before) - 3
    assert model.config.max_position_embeddings == 16
    assert model.config.pad_token_id == tokenizer.token_to_id("[PAD]")


def test_pieces_are_those_of_the_original_and_longer_texts_are_cut(encoder_folder: Path) -> None:
    """Same words, other numbers; the special pieces stay at both ends."""
    _, tokenizer = load_encoder(str(encoder_folder), 16)
    _, before = original(encoder_folder)
    for text in TEXTS:
        assert tokenizer.encode(text).tokens == before.encode(text).tokens
    cut = tokenizer.encode("profit " * 100)
    assert (len(cut.ids), cut.tokens[0], cut.tokens[-1]) == (16, "[CLS]", "[SEP]")


def test_both_ways_to_write_the_special_pieces_are_renumbered(encoder_folder: Path, tmp_path: Path) -> None:
    """Older tokenizers name [CLS] and [SEP] in another place."""
    for name in ("config.json", "model.safetensors", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((encoder_folder / name).read_bytes())
    tokenizer = Tokenizer.from_file(str(encoder_folder / "tokenizer.json"))
    sep, cls = (tokenizer.token_to_id(name) or 0 for name in ("[SEP]", "[CLS]"))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", sep), ("[CLS]", cls))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    _, trimmed = load_encoder(str(tmp_path), 16)
    assert trimmed.encode("oil").ids == [trimmed.token_to_id(name) for name in ("[CLS]", "oil", "[SEP]")]


def test_weights_of_another_model_are_refused(encoder_folder: Path, tmp_path: Path) -> None:
    """Rather than beginning at random: a layer that the file lacks; a pooler may be absent."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((encoder_folder / name).read_bytes())
    weights = load_file(encoder_folder / "model.safetensors")
    pooled = {name: weight for name, weight in weights.items() if not name.startswith("pooler")}
    save_file(pooled, tmp_path / "model.safetensors", metadata={"format": "pt"})
    load_encoder(str(tmp_path), 16)
    other = {name.replace("layer.1", "block.1"): weight for name, weight in weights.items()}
    save_file(other, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"weights are of another model.*encoder\.layer\.1"):
        load_encoder(str(tmp_path), 16)


def test_a_saved_tokenizer_is_read_again(encoder_folder: Path, tmp_path: Path) -> None:
    """The one that the live service loads."""
    _, tokenizer = load_encoder(str(encoder_folder), 16)
    save_tokenizer(tokenizer, tmp_path, 64)
    assert Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode(TEXTS[0]).ids == tokenizer.encode(TEXTS[0]).ids

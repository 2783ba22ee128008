"""Laws of what heads.json of a model folder may say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import RobertaConfig

from monitor.adapters.two_head_model import TwoHeadModel, load_model, read_heads, save_model
from monitor.errors import ConfigError
from tests.tiny_checkpoints import two_head_folder

TOPIC = {"id2label": {"0": "IPO", "1": "Macro"}, "temperature": 1.5}


def told(**changes: Any) -> dict[str, Any]:
    """A whole heads.json but for what is changed."""
    whole = {"name": "x", "version": "1", "language": "en", "max_tokens": 16, "heads": {"topic": TOPIC}}
    return whole | changes


def written(folder: Path, content: Any) -> Path:
    """A folder with that heads.json."""
    folder.mkdir(exist_ok=True)
    (folder / "heads.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1], "is no table"),
        (7, "is no table"),
        ({"name": "x"}, "no version, language, max_tokens, heads"),
        (told(heads={}), "heads: "),
        (told(heads=["topic"]), "heads: "),
        (told(heads={"topic": None}), "heads.topic: "),
        (told(heads={"topic": {"temperature": 1.0}}), "heads.topic.id2label: "),
        (told(heads={"topic": {"id2label": {"0": "IPO"}}}), "heads.topic.temperature: "),
        (told(heads={"topic": TOPIC | {"id2label": {}}}), "heads.topic.id2label: "),
        (told(heads={"topic": TOPIC | {"id2label": ["IPO", "Macro"]}}), "heads.topic.id2label: "),
        (told(heads={"topic": TOPIC | {"id2label": {"0": 5}}}), "heads.topic.id2label.0: "),
        (told(heads={"topic": TOPIC | {"id2label": {"1": "IPO", "2": "Macro"}}}), "heads.topic.id2label: .* 0 to 1"),
        *((told(heads={"topic": TOPIC | {"temperature": t}}), "heads.topic.temperature: ") for t in (0, -1, "1", True)),
        *((told(heads={"topic": TOPIC | {"temperature": float(t)}}), "topic.temperature: ") for t in ("nan", "inf")),
        *((told(max_tokens=n), "max_tokens: ") for n in (0, -5, "16", 16.5, None, True)),
        (told(enabled="no"), "enabled: "),
        (told(entity_pairs=1), "entity_pairs: "),
    ],
)
def test_a_malformed_heads_json_is_an_error_that_names_file_and_key(tmp_path: Path, content: Any, said: str) -> None:
    """No traceback, and nothing guessed."""
    folder = written(tmp_path, content)
    with pytest.raises(ConfigError, match=f"{folder / 'heads.json'}: .*{said}") as caught:
        read_heads(folder)
    assert caught.value.reason == "model_misfit"


def test_a_whole_heads_json_is_returned_as_it_stands(tmp_path: Path) -> None:
    """With what else it says."""
    assert read_heads(written(tmp_path, told(rows={"read": 5}))) == told(rows={"read": 5})


@pytest.mark.parametrize("name", ["a.b", "", "keys"])
def test_a_head_that_can_not_be_called_so_is_named(tmp_path: Path, name: str) -> None:
    """Names of heads are names of modules."""
    folder = two_head_folder(tmp_path / "model")
    written(folder, told(heads={name: TOPIC}))
    with pytest.raises(ConfigError, match=r"heads\.json: heads: "):
        load_model(folder)


def test_a_model_reads_no_more_tokens_than_its_encoder_has_positions_for(tmp_path: Path) -> None:
    """As many as BERT has positions; RoBERTa's begin behind the padding's."""
    bert = two_head_folder(tmp_path / "bert")
    heads = json.loads((bert / "heads.json").read_text(encoding="utf-8"))
    shape = RobertaConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
    )
    counts = {task: len(head["id2label"]) for task, head in heads["heads"].items()}
    save_model(TwoHeadModel(shape, counts), heads, tmp_path / "roberta")
    for folder in (bert, tmp_path / "roberta"):
        load_model(written(folder, heads | {"max_tokens": 64}))
        written(folder, heads | {"max_tokens": 65})
        with pytest.raises(ConfigError, match=r"heads\.json: max_tokens: 65, .* 64 tokens") as caught:
            load_model(folder)
        assert caught.value.reason == "model_misfit"

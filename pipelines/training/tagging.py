"""Tuning for named entities: one IOB2 tag per token, saved as a plain token-classification checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoModelForTokenClassification, PreTrainedModel

from monitor.adapters.two_head_model import round_as_saved
from pipelines.datasets.examples import Example, TaggedSentence
from pipelines.datasets.load import load_tagged
from pipelines.datasets.splits import split_by_cluster
from pipelines.evaluation.token_figures import predict_tags, token_figures
from pipelines.evaluation.word_starts import with_word_starts
from pipelines.labels.evaluation import evaluation_texts_under
from pipelines.training.encoder import load_encoder
from pipelines.training.export import save_plain_tokenizer
from pipelines.training.loop import predict
from pipelines.training.model_card import write_tagger_card
from pipelines.training.origin import TOLD, provenance
from pipelines.training.recipe import Recipe
from pipelines.training.rows import Rows, tagged_rows
from pipelines.training.run import RunOptions, not_held_out, pad_id_of, tune


class _Tagger(nn.Module):
    """A token classifier in the shape that the loop knows: logits by task."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Returns `{"ner": (batch, tokens, tags)}`."""
        return {"ner": self.model(input_ids=input_ids, attention_mask=attention_mask).logits}


def run_tagging(recipe: Recipe, options: RunOptions, command: str) -> dict[str, Any]:
    """Trains a tagger and writes its folder; returns what stands in its ner.json; arguments as for `run_texts`."""
    held_out = {part.file: load_tagged(part.path(options.data), part.kind) for part in recipe.held_out}
    read = [s for part in recipe.train for s in load_tagged(part.path(options.data), part.kind)]
    taken = [_as_text(sentence) for part in held_out.values() for sentence in part]
    taken += evaluation_texts_under(options.data)
    rows = [read[i] for i in not_held_out([_as_text(sentence) for sentence in read], taken, recipe.leaks)]
    fitting, kept = split_by_cluster([_as_text(s).text for s in rows], recipe.calibration_share, recipe.loop.seed)
    network, tokenizer, names = _network(recipe, options, rows)
    pad_id = pad_id_of(tokenizer)
    model = _Tagger(network)
    encoded = tagged_rows(tokenizer, [rows[i] for i in fitting], names, recipe.train_tokens)
    judged = tagged_rows(tokenizer, [rows[i] for i in kept], names, recipe.train_tokens)
    prefix = f"model.{network.base_model_prefix}"
    scores = tune(
        model, prefix, encoded, judged, pad_id, recipe, options, lambda: _entity_f1(model, judged, names, pad_id)
    )
    model.cpu()
    round_as_saved(model)
    told = {
        "name": recipe.name,
        "version": recipe.version,
        "language": recipe.language,
        "max_tokens": recipe.max_tokens,
        **provenance(recipe, options, [options.encoder or recipe.encoder], command),
        "rows": {"read": len(read), "leaking": len(read) - len(rows), "fitted": len(fitting), "kept": len(kept)},
        "entity_f1_by_epoch": [round(score, 4) for score in scores],
        "held_out": {
            file: token_figures([list(s.tags) for s in part], predict_tags(network, tokenizer, part, recipe.max_tokens))
            for file, part in held_out.items()
        },
    }
    network.half().save_pretrained(options.out)  # type: ignore[no-untyped-call]
    save_plain_tokenizer(tokenizer, options.out, recipe.max_tokens)
    (options.out / TOLD).write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_tagger_card(told, recipe.notes, options.out)
    return told


def _network(
    recipe: Recipe, options: RunOptions, rows: Sequence[TaggedSentence]
) -> tuple[PreTrainedModel, Tokenizer, list[str]]:
    """Encoder with a fresh head over the tags that occur, O first."""
    names = sorted({tag for sentence in rows for tag in sentence.tags}, key=lambda tag: (tag != "O", tag[2:], tag))
    trunk, tokenizer = load_encoder(options.encoder or recipe.encoder, recipe.max_tokens)
    tokenizer = with_word_starts(tokenizer)
    trunk.config.id2label = dict(enumerate(names))
    trunk.config.label2id = {name: i for i, name in enumerate(names)}
    network = AutoModelForTokenClassification.from_config(trunk.config)  # type: ignore[no-untyped-call]
    network.base_model.load_state_dict(trunk.state_dict(), strict=False)
    return network, tokenizer, names


def _as_text(sentence: TaggedSentence) -> Example:
    return Example(" ".join(sentence.tokens), place=sentence.place)


def _entity_f1(model: nn.Module, rows: Rows, names: Sequence[str], pad_id: int) -> float:
    """Entity-level F1 on the tokens that fit into the rows."""
    true, predicted = [], []
    for labels, logits in zip(rows.labels["ner"], predict(model, rows, pad_id)["ner"], strict=True):
        first = labels >= 0
        true.append([names[i] for i in labels[first]])
        predicted.append([names[i] for i in np.asarray(logits)[first].argmax(axis=1)])
    return float(token_figures(true, predicted)["entity"]["f1"])

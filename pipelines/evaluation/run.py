"""`pipelines evaluate`: model and labelled file in, figures out: on the console, as JSON, Markdown and a picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from monitor.errors import ConfigError
from pipelines.datasets.examples import SENTIMENTS, Example, as_served
from pipelines.datasets.labels import cleaned
from pipelines.datasets.load import sha256_of
from pipelines.evaluation.baseline import mostly_chinese
from pipelines.evaluation.figures import figures_of, softmax
from pipelines.evaluation.folds import naming
from pipelines.evaluation.head_report import (
    HeadRows,
    baseline_report,
    folds_report,
    head_report,
    leaks_report,
    leaks_told,
)
from pipelines.evaluation.labelled import Labelled, read_labelled, read_tagged, tasks_of
from pipelines.evaluation.leaks import Leaks, find_leaks
from pipelines.evaluation.models import open_model
from pipelines.evaluation.options import EvaluateOptions
from pipelines.evaluation.rendering import markdown_report, show_report
from pipelines.evaluation.scoring import Checkpoint, TagModel, TextModel
from pipelines.evaluation.sections import heads_in
from pipelines.evaluation.swap import swap_report
from pipelines.evaluation.tag_report import tag_folds_report, tag_leaks_report, tag_report
from pipelines.evaluation.token_figures import predict_tags, split_at_tokens
from pipelines.progress_bar import progress_bar


def evaluate(options: EvaluateOptions, console: Console) -> dict[str, Any]:
    """Measures a model, shows and writes what was asked for, and returns it.

    Returns:
        `model`, `data`, and the figures: of one task at the top level, of several by task under `tasks`; `bias` is the
        entity swap.

    Raises:
        ConfigError: model or file can't be used; names file and row, and what is allowed.
    """
    model = open_model(options.model, options.task, options.device, options.labels, options.backend)
    report: dict[str, Any] = {"model": _told_of(model.checkpoint)}
    if options.data is not None:
        if isinstance(model, TagModel):
            report |= _tagged(model, options, options.data)
        else:
            report |= _texts(model, options, options.data, console)
    if options.bias:
        report["bias"] = _bias(model, options, console)
    show_report(report, console)
    _write(report, options)
    return report


def _told_of(checkpoint: Checkpoint) -> dict[str, Any]:
    return {"name": checkpoint.name, "folder": checkpoint.folder.name, "language": checkpoint.language}


def _texts(model: TextModel, options: EvaluateOptions, path: Path, console: Console) -> dict[str, Any]:
    classes = model.checkpoint.labels
    if options.task == "ner":
        raise ConfigError(f"--task ner: {model.checkpoint.folder} is no token classifier")
    labelled = read_labelled(path, options.kind, options.task, classes, options.labels, options.texts)
    if options.clean:
        labelled = replace(labelled, examples=tuple(cleaned(labelled.examples)))
    tasks = tasks_of(labelled, classes, options.task)
    train = [row for file in options.train for row in _training_rows(file, options, classes)] if options.train else None
    texts = [example.text for example in labelled.examples]
    leaks = None
    if options.check_leaks is not None:
        leaks = find_leaks(texts, model.checkpoint, options.check_leaks, tagged=False)
    entities = [example.entity if model.pairs else None for example in as_served(labelled.examples)]
    with _progress(console, len(texts)) as done:
        logits = model.logits(texts, entities, done)
    told = {task: _head(model, labelled, task, logits, train, leaks, options) for task in tasks}
    if "entity" in told:
        told["entity"]["copied"] = _copied(model, labelled, logits, console)
    data = {
        "file": path.name,
        "sha256": sha256_of(path),
        "kind": labelled.kind,
        "rows": len(labelled.examples) + len(labelled.empty),
        "empty_texts": len(labelled.empty),
        "empty_places": list(labelled.empty),
        **_language_note(model.checkpoint.language, texts),
    }
    return {"data": data, **(told[tasks[0]] if len(tasks) == 1 else {"tasks": told})}


def _head(
    model: TextModel,
    labelled: Labelled,
    task: str,
    logits: dict[str, np.ndarray],
    train: list[Example] | None,
    leaks: Leaks | None,
    options: EvaluateOptions,
) -> dict[str, Any]:
    rows, chosen = _rows_of(model, labelled, task, logits)
    told = {**head_report(rows, options.mistakes), "unlabelled_rows": len(labelled.examples) - len(chosen)}
    if options.baseline:
        told["baseline"] = baseline_report(rows, train)
    if options.folds is not None:
        with naming(labelled.file):
            told["folds"] = folds_report(rows, options.folds, baseline=options.baseline)
        if "note" in told["folds"]:
            told["folds"]["note"] = f"{labelled.file}: {told['folds']['note']}"
    if leaks is not None:
        at = {int(row): i for i, row in enumerate(chosen)}
        told["leaks"] = leaks_report(rows, replace(leaks, clean=tuple(at[i] for i in leaks.clean if i in at)))
    return told


def _rows_of(
    model: TextModel, labelled: Labelled, task: str, logits: dict[str, np.ndarray]
) -> tuple[HeadRows, np.ndarray]:
    """The rows with a label of the task, and which of the file's they are."""
    head = "sentiment" if task == "entity" else task
    names = list(model.checkpoint.labels[head])
    chosen = np.array([i for i, example in enumerate(labelled.examples) if getattr(example, head) is not None])
    examples = [labelled.examples[i] for i in chosen]
    labels = np.array([names.index(str(getattr(example, head))) for example in examples])
    return HeadRows(task, examples, names, labels, logits[head][chosen], model.temperatures[head]), chosen


def _copied(model: TextModel, labelled: Labelled, logits: dict[str, np.ndarray], console: Console) -> dict[str, Any]:
    """What comes of giving each company the sentiment of its whole text."""
    texts = [example.text for example in labelled.examples]
    if model.pairs:
        with _progress(console, len(texts)) as done:
            logits = model.logits(texts, None, done)
    rows, _ = _rows_of(model, labelled, "entity", logits)
    figures = figures_of(rows.logits, rows.labels, rows.names, rows.temperature)
    return {"what": "the whole text's sentiment for each of its companies", "is_the_model": not model.pairs, **figures}


def _language_note(language: str | None, texts: list[str]) -> dict[str, str]:
    chinese = mostly_chinese(texts)
    if language not in ("en", "zh") or chinese == (language == "zh"):
        return {}
    return {"note": f"the model's language is {language}, and most texts are {'' if chinese else 'not '}Chinese"}


def _training_rows(path: Path, options: EvaluateOptions, classes: dict[str, tuple[str, ...]]) -> tuple[Example, ...]:
    return read_labelled(path, None, options.task, classes, options.labels).examples


def _tagged(model: TagModel, options: EvaluateOptions, path: Path) -> dict[str, Any]:
    if options.task not in (None, "ner"):
        raise ConfigError(f"--task {options.task}: {model.checkpoint.folder} is a token classifier; its task is ner")
    kind, sentences = read_tagged(path, options.kind)
    checkpoint = model.checkpoint
    for sentence in sentences:
        for tag in sentence.tags:
            if tag not in checkpoint.labels["ner"]:
                raise ConfigError(f"{sentence.place}: tag {tag!r} is none of {', '.join(checkpoint.labels['ner'])}")
    parts = split_at_tokens(checkpoint.tokenizer, sentences, checkpoint.max_tokens)
    predicted = predict_tags(model.network, checkpoint.tokenizer, sentences, checkpoint.max_tokens)
    told = tag_report(sentences, predicted, options.mistakes)
    told["split_sentences"] = sum(len(own) > 1 for own in parts)
    if options.folds is not None:
        with naming(path):
            told["folds"] = tag_folds_report(sentences, predicted, options.folds)
    if options.check_leaks is not None:
        texts = [" ".join(sentence.tokens) for sentence in sentences]
        leaks = find_leaks(texts, checkpoint, options.check_leaks, tagged=True)
        told["leaks"] = {**leaks_told(leaks, len(texts)), **tag_leaks_report(sentences, predicted, leaks)}
    data = {"file": path.name, "sha256": sha256_of(path), "kind": kind, "rows": len(sentences), "empty_texts": 0}
    return {"data": data, **told}


def _bias(model: TextModel | TagModel, options: EvaluateOptions, console: Console) -> dict[str, Any]:
    labels = model.checkpoint.labels.get("sentiment", ())
    if isinstance(model, TagModel) or sorted(labels) != sorted(SENTIMENTS):
        raise ConfigError(f"--bias: {model.checkpoint.folder} has no head for {', '.join(SENTIMENTS)}")
    order = [labels.index(sentiment) for sentiment in SENTIMENTS]

    def score(texts: list[str]) -> np.ndarray:
        with _progress(console, len(texts)) as done:
            logits = model.logits(texts, None, done)["sentiment"]
        return softmax(logits, model.temperatures["sentiment"])[:, order]

    language = options.language or (model.checkpoint.language if model.checkpoint.language in ("en", "zh") else "en")
    return swap_report(score, language)


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    with progress_bar(Console(stderr=True, quiet=not console.is_terminal)) as progress:
        bar = progress.add_task("scoring", total=total)
        yield lambda n: progress.advance(bar, n)


def _write(report: dict[str, Any], options: EvaluateOptions) -> None:
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.markdown is not None:
        options.markdown.write_text(markdown_report(report), encoding="utf-8")
    if options.png is not None:
        from pipelines.evaluation.plots import plot_heads  # noqa: PLC0415 - seldom asked for

        plot_heads(heads_in(report), f"{report['model']['name']} on {report['data']['file']}", options.png)

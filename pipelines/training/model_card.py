"""The model card that goes with a checkpoint, written from its heads.json so that it can't disagree with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_CARD = """# {heads[name]} {heads[version]}

Topic (20 classes) and sentiment (negative, neutral, positive) of English finance headlines and short comments, from one
pass of one encoder, {heads[encoder][name]} ({heads[encoder][licence]}). Weights: float16 safetensors.

**Intended use**: scoring streams of finance news and posts so that *counts* of negative stories can be watched.
**Not for**: judging a single company or person by a single score; text over {heads[max_tokens]} word pieces (the
rest is cut); any language but English.

## Trained on
{heads[rows][fitted]} rows fitted, {heads[rows][calibrated]} kept for the temperatures; near-duplicates of
held-out rows were left out.

| file | licence | sha256 |
|---|---|---|
{data}

Made by `pipelines train --recipe pipelines/training/recipes/default_en.toml --data DIR`.

## Held-out figures
The held-out files took no part in training or calibration. A first model's figures on them were seen before epochs,
learning rate and class weights were set, once, to what they are. ECE: 15 equal-width bins, after calibration.

| file | task | n | accuracy | macro-F1 | ECE | Brier |
|---|---|---|---|---|---|---|
{figures}

| task | class | n | precision | recall | F1 |
|---|---|---|---|---|---|
{classes}

## Limits
The data are finance tweets of 2019-2022 and Indian business headlines: irony, forum slang and other markets are scored
less well than the figures say. Topics mean what they mean in that data: Financials is a company's reported results, not
banks; classes with few rows (IPO, Gold) are recognised least. Sentiment is the text's, not the market's. Names of
companies may sway a score.
"""


def write_card(heads: dict[str, Any], folder: Path) -> None:
    """Writes README.md beside the weights: intended use, data, figures, limits."""
    data = "\n".join(f"| {part['file']} | {part['licence']} | `{part['sha256']}` |" for part in heads["trained_on"])
    figures = "\n".join(
        f"| {file} | {row['task']} | {row['n']} | {row['accuracy']:.3f} | {row['macro_f1']:.3f} | {row['ece']:.3f} "
        f"| {row['brier']:.3f} |"
        for file, row in heads["held_out"].items()
    )
    classes = "\n".join(
        f"| {row['task']} | {name} | {c['n']} | {c['precision']:.2f} | {c['recall']:.2f} | {c['f1']:.2f} |"
        for row in heads["held_out"].values()
        for name, c in row["by_class"].items()
    )
    text = _CARD.format(heads=heads, data=data, figures=figures, classes=classes)
    (folder / "README.md").write_text(text, encoding="utf-8")

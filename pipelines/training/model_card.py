"""The model card that goes with a checkpoint, written from its heads.json so that it can't disagree with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_LANGUAGES = {"en": "English", "zh": "Chinese"}
_CARD = """# {told[name]} {told[version]}

{what}, on {told[encoder][name]} ({encoder_licence}). Weights: float16 safetensors.

**Intended use**: {use}.
**Not for**: judging a single company or person by a single score; text over {told[max_tokens]} word pieces (the
rest is cut); any language but {language}.

## Trained on
{rows}; {told[rows][leaking]} near-duplicates of held-out rows were left out.{lineage}

| file | licence | sha256 |
|---|---|---|
{data}

Made by `{told[made_by]}`, the recipe being the one beside this card{folders} ({versions}).

## Held-out figures
The held-out rows took no part in training or calibration.

{figures}
{notes}"""


def write_card(told: dict[str, Any], notes: str, folder: Path) -> None:
    """Writes README.md beside a topic and sentiment model: intended use, data, figures, limits.

    Args:
        told: its heads.json.
        notes: what the recipe has to say: what was tried, and the limits.
        folder: the model folder.
    """
    language = _LANGUAGES.get(told["language"], told["language"])
    heads = " and ".join(f"{task} ({len(head['id2label'])} classes)" for task, head in told["heads"].items())
    lines = ["| file | task | n | accuracy | macro-F1 | ECE | Brier |", "|---|---|---|---|---|---|---|"]
    classes = ["| task | class | n | precision | recall | F1 |", "|---|---|---|---|---|---|"]
    for file, tasks in told["held_out"].items():
        for task, row in tasks.items():
            shown = "sentiment copied from the text to each entity" if task == "copied" else task
            lines.append(
                f"| {file} | {shown} | {row['n']} | {row['accuracy']:.3f} | {row['macro_f1']:.3f} | {row['ece']:.3f} "
                f"| {row['brier']:.3f} |"
            )
            if task != "copied":
                classes += [
                    f"| {file}, {task} | {name} | {c['n']} | {c['precision']:.2f} | {c['recall']:.2f} | {c['f1']:.2f} |"
                    for name, c in row["by_class"].items()
                    if c["n"]
                ]
    ece = "ECE: 15 equal-width bins, after calibration."
    _write(
        told,
        folder,
        what=f"{heads[0].upper()}{heads[1:]} of {language} finance headlines and short comments, from one pass of one encoder",
        use="scoring streams of finance news and posts so that *counts* of negative stories can be watched",
        language=language,
        rows=_rows_line(told),
        figures="\n".join([ece, "", *lines, "", *classes, *_swap_lines(told.get("entity_swap"))]) + "\n",
        notes=notes,
    )


def _rows_line(told: dict[str, Any]) -> str:
    rows = told["rows"]
    gave = ", ".join(f"{n} gave the {task} head's temperature" for task, n in rows["calibrated"].items())
    judged = "; all judged the epochs" if told["macro_f1_by_epoch"] else ""
    return f"{rows['fitted']} rows fitted by this run, {rows['kept']} kept from fitting ({gave}{judged})"


def _lineage(told: dict[str, Any]) -> str:
    """Which models a model was made from, and which of them taught it: the files are theirs, too."""
    said = [f"It went on from {told['went_on_from']}."] if "went_on_from" in told else []
    said += [f"Its weights are the mean of {told['mean_of']}."] if "mean_of" in told else []
    said += [f"Taught by {told['taught_by']}."] if "taught_by" in told else []
    if not said:
        return ""
    names = ", ".join(told["ancestors"])
    return f"\n{' '.join(said)} Models behind it: {names}; the files below are all that it and they learnt from."


def _swap_lines(swap: dict[str, Any] | None) -> list[str]:
    if swap is None:
        return []
    worst = ", ".join(f"{name['name']} ({name['mean_shift']:+.2f})" for name in swap["worst_names"][:5])
    return [
        "",
        "## Company names",
        "",
        f"{swap['names']} company names put into {swap['frames']} headlines (`pipelines evaluate MODEL --bias`): of two names "
        f"in the same headline {swap['pairs_changed_share']:.1%} get different sentiments; {swap['frames_changed_share']:.0%} "
        f"of the headlines change for at least one name; polarity (from -1 to 1) moves by {swap['mean_absolute_shift']:.3f} on "
        f"average. The names that sway it most, with their mean shift: {worst}.",
    ]


def write_tagger_card(told: dict[str, Any], notes: str, folder: Path) -> None:
    """Writes README.md beside a tagger; arguments as for `write_card`."""
    lines = ["| file | sentences | entity P | entity R | entity F1 | token micro with O |", "|---|---|---|---|---|---|"]
    for file, row in told["held_out"].items():
        entity = row["entity"]
        lines.append(
            f"| {file} | {row['sentences']} | {entity['precision']:.4f} | {entity['recall']:.4f} | {entity['f1']:.4f} "
            f"| {row['micro_with_o']['f1']:.4f} |"
        )
    language = _LANGUAGES.get(told["language"], told["language"])
    _write(
        told,
        folder,
        what=f"Named entities of {language} news sentences (IOB2)",
        use="finding names of organisations, people and places in news",
        language=language,
        rows=f"{told['rows']['fitted']} sentences fitted, {told['rows']['kept']} kept to judge the epochs by",
        figures="\n".join(lines) + "\n",
        notes=notes,
    )


def _write(told: dict[str, Any], folder: Path, notes: str, **parts: str) -> None:
    data = "\n".join(f"| {part['file']} | {part['licence']} | `{part['sha256']}` |" for part in told["trained_on"])
    text = _CARD.format(
        told=told,
        data=data,
        lineage=_lineage(told),
        folders=", and NAME@VERSION that model's folder" if "@" in told["made_by"] else "",
        encoder_licence=told["encoder"]["licence"] or "no licence stated",
        versions=", ".join(f"{name} {version}" for name, version in told["versions"].items()),
        notes=f"\n{notes.strip()}\n" if notes.strip() else "",
        **parts,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")

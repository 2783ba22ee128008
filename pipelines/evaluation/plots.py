"""Reliability and confusion as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from monitor.ingest.normalise import CJK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "SimHei",
)
_BLUE, _GREY, _ORANGE = "#2f6fab", "#b8bec6", "#c8642b"
_DPI = 130
_FEW = 8  # classes of which the numbers are legible at full size
_LONGEST_NAME = 28


def plot_heads(heads: list[dict[str, Any]], title: str, path: Path) -> None:
    """Writes a PNG with a row per head: reliability with the number of rows by confidence, and the confusion matrix.

    Args:
        heads: of `head_report`, or of a tagger, which has a confusion matrix alone.
        title: stands above.
        path: the file.
    """
    sizes = [max(4.6, 0.36 * len(head["confusion"]["labels"]) + 2.2) for head in heads]
    size = (5.2 + max(sizes) + 1.6, sum(sizes) + 0.6 * len(heads))
    with matplotlib.rc_context({"font.family": _fonts(heads), "axes.titlesize": 11, "axes.labelsize": 9.5}):
        figure = Figure(figsize=size, dpi=_DPI, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08))
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=12)
        grid = figure.add_gridspec(len(heads), 2, width_ratios=[5, max(sizes)], height_ratios=sizes)
        for line, head in enumerate(heads):
            if head.get("reliability"):
                inner = grid[line, 0].subgridspec(2, 1, height_ratios=[4, 1], hspace=0.05)
                above = figure.add_subplot(inner[0])
                _reliability(above, head)
                _counts(figure.add_subplot(inner[1], sharex=above), head)
                above.tick_params(labelbottom=False)
            _confusion(figure.add_subplot(grid[line, 1 if head.get("reliability") else slice(None)]), head)
        figure.savefig(path)


def _reliability(axes: Axes, head: dict[str, Any]) -> None:
    bins = head["reliability"]
    widths = [row["to"] - row["from"] for row in bins]
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1.2, label="perfectly calibrated")
    axes.bar(
        [row["from"] for row in bins],
        [row["accuracy"] for row in bins],
        widths,
        align="edge",
        color=_BLUE,
        edgecolor="white",
        label="share of right labels",
    )
    axes.plot(
        [row["confidence"] for row in bins],
        [row["confidence"] for row in bins],
        linestyle="none",
        marker="o",
        markersize=5,
        color=_ORANGE,
        label="mean confidence",
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")
    axes.set_title(f"{head['task']}: reliability (ECE {head['ece']:.3f}, Brier {head['brier']:.3f})")
    axes.legend(loc="upper left", fontsize=8.5, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _counts(axes: Axes, head: dict[str, Any]) -> None:
    bins = head["reliability"]
    axes.bar(
        [row["from"] for row in bins],
        [row["n"] for row in bins],
        [row["to"] - row["from"] for row in bins],
        align="edge",
        color=_GREY,
        edgecolor="white",
    )
    axes.set(xlabel="confidence (largest probability)", ylabel="texts")
    axes.spines[["top", "right"]].set_visible(False)


def _confusion(axes: Axes, head: dict[str, Any]) -> None:
    counts = np.array(head["confusion"]["rows_true_columns_predicted"])
    names = [_short(name) for name in head["confusion"]["labels"]]
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = 10 if len(names) <= _FEW else 6.5
    for true, predicted in zip(*np.nonzero(counts), strict=True):
        axes.text(
            predicted,
            true,
            str(counts[true, predicted]),
            ha="center",
            va="center",
            fontsize=size,
            color="white" if shares[true, predicted] > 0.55 else "black",
        )
    few = len(names) <= 4
    axes.set_xticks(
        range(len(names)), names, rotation=0 if few else 60, ha="center" if few else "right", rotation_mode="anchor"
    )
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(labelsize=9.5 if len(names) <= _FEW else 7.5, length=0)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(
        f"{head['task']}: confusion ({head['n']} {head.get('unit', 'texts')}, accuracy {head['accuracy']:.3f})"
    )
    axes.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02, label="share of the true class")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


def _fonts(heads: list[dict[str, Any]]) -> list[str]:
    if not any(CJK.search(name) for head in heads for name in head["confusion"]["labels"]):
        return ["DejaVu Sans"]
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [*(name for name in _CHINESE_FONTS if name in installed), "DejaVu Sans"]

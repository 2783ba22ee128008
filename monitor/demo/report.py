"""What the demo tells at the end: as tables for a person, and the same as JSON for a script."""

from __future__ import annotations

import math
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_STAGES = ("decode", "novelty", "classify", "publish", "apply", "commit")
Samples = dict[str, list[tuple[dict[str, str], float]]]


def stage_rates(metrics: Samples) -> dict[str, dict[str, float]]:
    """Documents, seconds and documents per second by stage, out of the worker's metrics."""
    seconds = {labels["stage"]: value for labels, value in metrics.get("sentiment_stage_seconds_sum", [])}
    counts = {labels["stage"]: value for labels, value in metrics.get("sentiment_stage_documents_total", [])}
    return {
        stage: {
            "documents": counts.get(stage, 0.0),
            "seconds": round(seconds[stage], 3),
            "documents_per_second": round(counts.get(stage, 0.0) / seconds[stage], 1) if seconds[stage] else 0.0,
        }
        for stage in _STAGES
        if stage in seconds
    }


def delay_quantiles(before: Samples, after: Samples) -> dict[str, float | None]:
    """p50 and p99 of produce-to-trend between two scrapes, in seconds: upper bounds of their histogram buckets."""
    name = "sentiment_produce_to_trend_seconds_bucket"
    earlier = {labels["le"]: value for labels, value in before.get(name, [])}
    grown = sorted(
        (float(labels["le"]), value - earlier.get(labels["le"], 0.0)) for labels, value in after.get(name, [])
    )
    total = grown[-1][1] if grown else 0.0
    quantiles: dict[str, float | None] = {}
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        bound = next((le for le, count in grown if total and count >= share * total), math.inf)
        quantiles[label] = bound if math.isfinite(bound) else None
    return quantiles


def dead_letters(metrics: Samples) -> dict[str, int]:
    """Dead letters by reason."""
    return {labels["reason"]: int(value) for labels, value in metrics.get("sentiment_dead_letters_total", []) if value}


def show(console: Console, summary: dict[str, Any], *, served: bool = True) -> None:
    """Prints the summary; `served`: with the addresses, which go on being there."""
    console.print(_topics(summary))
    for spike in summary["spikes"]:
        console.print(_spike(spike))
    _documents(console, summary)
    console.print(_stages(summary))
    _notifications(console, summary)
    verdict = summary["verdict"]
    if verdict is None:
        console.print("[bold]No manifest was given, so nothing was compared.[/]")
    elif verdict["right"]:
        console.print("[bold green]The alerts are exactly those that the feed's manifest declares.[/]")
    else:
        missing, unexpected = (escape("; ".join(verdict[name])) or "none" for name in ("missing", "unexpected"))
        console.print(f"[bold red]Not what the manifest declares.[/] Missing: {missing}. Unexpected: {unexpected}.")
    for name, url in summary["addresses"].items() if served else ():
        console.print(f"  {name:<13} {url}", highlight=False)


def _topics(summary: dict[str, Any]) -> Table:
    title = "Topics by how much they turned; mean polarity of 6 hours; stories negative/neutral/positive"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("topic", "now", "turned", "1 hour", "24 hours", "score"):
        table.add_column(heading, justify="left" if heading == "topic" else "right", no_wrap=True)
    for row in summary["topics"]:
        windows = {window["hours"]: window for window in row["windows"]}
        turn, spike = row["turn"], row["spike"]
        style = "bold red" if spike and spike["active"] else ""
        table.add_row(
            escape(row["key"]),
            _signed(turn["polarity_now"]),
            _signed(turn["change"]),
            _mix(windows.get(1.0)),
            _mix(windows.get(24.0)),
            f"{spike['score'] + 0.0:.1f}" if spike else "no data",
            style=style,
        )
    return table


def _spike(spike: dict[str, Any]) -> Table:
    peak = spike["peak"]
    state = "ON" if spike["active"] else f"until {spike['end']}"
    title = (
        f"Negative spike, {spike['dimension']} {escape(spike['key'])}, since {spike['start']} ({state}): "
        f"{peak['observed']} negative of {peak['stories']} stories in the window, {peak['expected']:.1f} expected, "
        f"upper band {peak['upper']:.1f}, score {peak['score']:.1f}"
    )
    table = Table(title=title, title_justify="left", title_style="bold red", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("told by", justify="right", no_wrap=True)
    table.add_column("source")
    table.add_column("story")
    for story in spike["stories"][:3]:
        table.add_row(
            f"{story['documents']} document{'' if story['documents'] == 1 else 's'}",
            escape(story["source"]),
            escape(story["title"]),
        )
    return table


def _documents(console: Console, summary: dict[str, Any]) -> None:
    counts = summary["documents"]
    dead = ", ".join(f"{count} {reason}" for reason, count in counts["dead_letters"].items()) or "none"
    unsupported = ", ".join(f"{count} {language}" for language, count in counts["unsupported"].items()) or "none"
    console.print(
        f"{counts['sent']} documents sent, {counts['applied']} applied, lag {summary['lag']}; {counts['reprints']} were "
        f"reprints of a known story; in a language without a model, never scored: {unsupported}; dead letters: {dead}",
        highlight=False,
    )
    delay = summary["produce_to_trend_seconds"]
    shown = ", ".join(f"{name} ≤ {value:g} s" if value else f"{name}: no data" for name, value in delay.items())
    memory = ", ".join(f"{name} {mib:.0f} MiB" for name, mib in summary["resident_mib"].items())
    console.print(f"live part, produce to trend: {shown}; resident memory: {memory}", highlight=False)


def _stages(summary: dict[str, Any]) -> Table:
    table = Table(
        title="Worker, documents per second by stage", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for stage in summary["stages"]:
        table.add_column(stage, justify="right")
    table.add_column("whole path", justify="right")
    rates = [f"{row['documents_per_second']:,.0f}" for row in summary["stages"].values()]
    table.add_row(*rates, f"{summary['documents_per_second']:,.0f}")
    return table


def _notifications(console: Console, summary: dict[str, Any]) -> None:
    if summary["notifications"] is None:
        console.print(
            "[yellow]No notification is shown: it takes prometheus and alertmanager on PATH[/] (Debian: apt install prometheus "
            "prometheus-alertmanager) and the rules in dashboards/. The spike above was found by the same code that they would "
            "act on."
        )
        return
    if not summary["notifications"]:
        console.print("Prometheus sent no alert.")
    for alert in summary["notifications"]:
        console.print(f"[bold]Notification that arrived:[/] {escape(alert['labels'].get('alertname', ''))}")
        for name, text in alert["annotations"].items():
            console.print(f"  {name}: {escape(text)}", highlight=False)


def _signed(value: float | None) -> str:
    return "no data" if value is None else f"{value:+.2f}"


def _mix(window: dict[str, Any] | None) -> str:
    if window is None or not window["stories"]:
        return "–"
    return f"{window['negative']}/{window['neutral']}/{window['positive']}"

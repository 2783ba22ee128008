"""Runs the commands of `pipelines labels` and says what they did."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC

from monitor.adapters.system_clock import SystemClock
from monitor.errors import ConfigError
from monitor.messages import ScoredDocument
from monitor.settings import Settings
from pipelines.labels import LAST, STRATEGIES
from pipelines.labels.alerts import Alert, alerts_in, alerts_now
from pipelines.labels.ask import ExportOptions, ExportSummary, export_tasks
from pipelines.labels.evaluation import fix_evaluation
from pipelines.labels.label_set import checked, read_manifest
from pipelines.labels.label_studio import labelling_config, topics_of, write_new
from pipelines.labels.ledger import read_ledger
from pipelines.labels.scored import read_scored
from pipelines.labels.take_in import ImportOptions, ImportSummary, import_answers
from pipelines.replay.times import bound_ms


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Runs what `args.action` says; returns the exit code.

    Raises:
        ConfigError: an argument or a file is wrong.
        TransientError: Kafka or Redis failed.
    """
    actions: dict[str, Callable[[argparse.Namespace, Settings], None]] = {
        "export": _export,
        "import": _import,
        "config": _config,
        "fix-evaluation": _fix_evaluation,
        "status": _status,
    }
    actions[args.action](args, settings)
    return 0


def _export(args: argparse.Namespace, settings: Settings) -> None:
    options = ExportOptions(
        out=args.out,
        set=args.label_set,
        limit=_positive("--limit", args.limit),
        strategies=_strategies(args),
        predictions=args.predictions,
        evaluation=tuple(args.evaluation),
    )
    reading = _read(args, settings)
    alerts: list[Alert] = []
    if "alerts" in options.strategies:
        alerts = alerts_in(args.alerts) if args.alerts else alerts_now(settings, SystemClock())
    summary = export_tasks(options, reading.documents, alerts, SystemClock())
    _say_export(options, reading, summary)


def _strategies(args: argparse.Namespace) -> tuple[str, ...]:
    """Alerts are asked for by themselves only where they were given, or where the live services are read anyway."""
    if args.strategies is None:
        return STRATEGIES if args.alerts or not args.scored else STRATEGIES[:2]
    given: tuple[str, ...] = args.strategies
    for name in given:
        if name not in STRATEGIES:
            raise ConfigError(f"--strategies {name}: no such strategy; strategies: {', '.join(STRATEGIES)}")
    if not given or len(set(given)) < len(given):
        raise ConfigError(f"--strategies {','.join(given)}: at least one, and each once")
    if args.alerts and "alerts" not in given:
        raise ConfigError(f"--alerts {args.alerts}: --strategies leaves alerts out")
    return given


@dataclass(frozen=True, slots=True)
class _Reading:
    """The documents to choose from, and how many messages are none."""

    documents: list[ScoredDocument]
    unreadable: int


def _read(args: argparse.Namespace, settings: Settings) -> _Reading:
    since, until = bound_ms("--since", args.since, UTC, 0), bound_ms("--until", args.until, UTC, 1)
    if since is not None and until is not None and since >= until:
        raise ConfigError(f"--since {args.since} --until {args.until}: nothing lies between")
    last = None if args.last is None else _positive("--last", args.last)
    if last is not None and (since is not None or until is not None):
        raise ConfigError("--last: not together with --since or --until")
    if args.scored:
        documents, unreadable = read_scored(args.scored), 0
        documents = documents if last is None else documents[-last:]
    else:
        from pipelines.labels.scored_topic import read_scored_topic  # noqa: PLC0415 - a file needs no broker library

        if last is None and since is None and until is None:
            last = LAST
        topic = read_scored_topic(settings.kafka, SystemClock(), last, since)
        documents, unreadable = topic.documents, topic.unreadable
    kept = [
        scored
        for scored in documents
        if (since is None or since <= scored.document.published_ms)
        and (until is None or scored.document.published_ms < until)
    ]
    return _Reading(kept, unreadable)


def _positive(flag: str, value: int) -> int:
    if value < 1:
        raise ConfigError(f"{flag} {value}: must be 1 or more")
    return value


def _say_export(options: ExportOptions, reading: _Reading, summary: ExportSummary) -> None:
    unscored = sum(scored.score is None for scored in reading.documents)
    print(f"{len(reading.documents):,} messages read, {unscored:,} without a score, {reading.unreadable:,} unreadable")
    print(
        f"{summary.scored:,} documents to choose from, {summary.closed:,} of them like one that was exported or "
        "answered before, or like an evaluation text"
    )
    by_strategy = ", ".join(f"{count} {name}" for name, count in summary.tasks.items())
    total = sum(summary.tasks.values())
    print(f"{total} tasks in {options.out}: {by_strategy}" if total else f"nothing to ask: {options.out} isn't written")


def _import(args: argparse.Namespace, settings: Settings) -> None:
    options = ImportOptions(
        file=args.file,
        set=args.label_set,
        topics=topics_of(args.model),
        format=args.format,
        on_conflict=args.on_conflict,
        evaluation=tuple(args.evaluation),
    )
    _say_import(options, import_answers(options, SystemClock()))


def _say_import(options: ImportOptions, summary: ImportSummary) -> None:
    if summary.version is None:
        print(f"nothing new for {options.set}")
    else:
        print(f"{options.set / summary.version.file}: {summary.version.rows:,} rows")
    counts = {
        "added": summary.added,
        "changed": summary.changed,
        "known": summary.known,
        "outdated": summary.outdated,
        "settled by majority": summary.by_majority,
        "left out as contradicted": summary.contradicted,
        "skipped by annotators": summary.skipped,
        "unanswered": summary.unanswered,
    }
    print(", ".join(f"{count:,} {name}" for name, count in counts.items()))


def _config(args: argparse.Namespace, settings: Settings) -> None:
    topics = topics_of(args.model)
    write_new(args.out, labelling_config(topics))
    print(f"labelling config with {len(topics)} topics in {args.out}")


def _fix_evaluation(args: argparse.Namespace, settings: Settings) -> None:
    record = fix_evaluation(args.label_set, args.file, args.kind)
    print(f"{record.rows:,} texts of {args.label_set / record.file} are kept out of the set")


def _status(args: argparse.Namespace, settings: Settings) -> None:
    manifest, ledger = read_manifest(args.label_set), read_ledger(args.label_set)
    if not (manifest.versions or manifest.evaluation or ledger):
        raise ConfigError(f"{args.label_set}: no label set")
    for version in manifest.versions:
        checked(args.label_set, version)
        print(
            f"{version.file}: {version.rows:,} rows ({version.added:,} added, {version.changed:,} changed), "
            f"{version.created}, from {version.source.file}"
        )
    if manifest.newest:
        for task, counts in (("sentiment", manifest.newest.sentiment), ("topic", manifest.newest.topic)):
            shown = ", ".join(f"{count:,} {label}" for label, count in counts.items()) or "no label"
            print(f"{task}: {shown}")
    for record in manifest.evaluation:
        checked(args.label_set, record)
        print(f"{record.file}: {record.rows:,} evaluation texts ({record.kind})")
    print(f"{len(ledger):,} documents exported")

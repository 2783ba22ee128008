"""`pipelines labels export`: picks scored documents that are worth a person's time, and writes them as tasks.

Guarantees: never a document, or one like it, that was exported or answered before, nor one like an evaluation text; the
same input gives the same tasks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import ConfigError
from monitor.messages import ScoredDocument
from monitor.ports import Clock
from pipelines.labels.alerts import Alert
from pipelines.labels.candidates import Candidate, Taken, candidates_of
from pipelines.labels.evaluation import held_out
from pipelines.labels.label_set import answers_in, read_manifest
from pipelines.labels.label_studio import task_of, write_new
from pipelines.labels.ledger import Exported, add_to_ledger, read_ledger
from pipelines.labels.strategies import Pick, behind_alerts, choose, disagreeing, least_certain
from pipelines.replay.times import iso


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What to export, and where to.

    Attributes:
        out: the file of tasks, which must not be there yet.
        set: folder of the label set, with the ledger; made where it is missing.
        limit: at most so many tasks.
        strategies: of `pipelines.labels.STRATEGIES`.
        predictions: whether an annotator sees what the model says.
        evaluation: files that no task may repeat, besides those fixed in the set.
    """

    out: Path
    set: Path
    limit: int
    strategies: tuple[str, ...]
    predictions: bool = False
    evaluation: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """Counts of an export.

    Attributes:
        tasks: written, by strategy.
        scored: documents with a score that there were to choose from.
        closed: those of them that are, or are like, what was exported or answered before, or evaluation texts.
    """

    tasks: dict[str, int]
    scored: int
    closed: int


def export_tasks(
    options: ExportOptions, documents: Sequence[ScoredDocument], alerts: Sequence[Alert], clock: Clock
) -> ExportSummary:
    """Chooses documents, writes them as tasks, and then into the ledger.

    Raises:
        ConfigError: the file is there already, or a file of the set can't be read or written.
    """
    if options.out.exists():
        raise ConfigError(f"{options.out}: is there already, and its tasks are not exported again; name another file")
    candidates = candidates_of(documents, _taken(options))
    picks = choose(_rankings(options.strategies, candidates.all, alerts), candidates.taken_groups, options.limit)
    tasks = [task_of(pick, predictions=options.predictions) for pick in picks]
    if picks:
        # A crash in between repeats tasks; the other way round would lose them.
        write_new(options.out, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
        add_to_ledger(options.set, _entries(picks, iso(clock.now_ms() // 1000 * 1000)))
    written = Counter(pick.strategy for pick in picks)
    return ExportSummary(
        tasks={name: written[name] for name in options.strategies},
        scored=len(candidates.all),
        closed=sum(one.group in candidates.taken_groups for one in candidates.all),
    )


def _rankings(
    strategies: Sequence[str], candidates: Sequence[Candidate], alerts: Sequence[Alert]
) -> dict[str, list[Pick]]:
    rankings = {
        "margin": lambda: least_certain(candidates),
        "disagreement": lambda: disagreeing(candidates),
        "alerts": lambda: behind_alerts(candidates, alerts),
    }
    return {name: rankings[name]() for name in strategies}


def _taken(options: ExportOptions) -> list[Taken]:
    manifest = read_manifest(options.set)
    return [
        *(Taken(entry.text, entry.story, entry.document_id) for entry in read_ledger(options.set)),
        *(Taken(answer.text, document_id=answer.document_id) for answer in answers_in(options.set, manifest)),
        *(Taken(example.text) for example in held_out(options.set, manifest, options.evaluation)),
    ]


def _entries(picks: Sequence[Pick], exported_at: str) -> list[Exported]:
    return [
        Exported(
            document_id=pick.candidate.document.id,
            story=pick.candidate.story.id,
            text=pick.candidate.text,
            strategy=pick.strategy,
            exported_at=exported_at,
        )
        for pick in picks
    ]

"""Splits that keep near-duplicates on one side, so that a held-out figure is one.

Uses the same sketches as the live novelty index: what the monitor would call one story never straddles a split.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from monitor.errors import ConfigError
from monitor.ingest.sketch import same_story, sketch_of
from pipelines.datasets.examples import Example
from pipelines.datasets.near_duplicates import clusters_of_sketches
from pipelines.datasets.reading import shown


def clusters_of(texts: Sequence[str]) -> list[int]:
    """Returns a cluster number per text: the index of its first; near-duplicates (transitively) share one."""
    return clusters_of_sketches([sketch_of(text) for text in texts])


def without_leaks(train: Sequence[str], held_out: Sequence[str]) -> list[int]:
    """Returns the indices of those training texts that are near-duplicates of no held-out text."""
    clusters = clusters_of([*held_out, *train])
    taken = set(clusters[: len(held_out)])
    return [i for i, cluster in enumerate(clusters[len(held_out) :]) if cluster not in taken]


def check_no_leak(train: Sequence[Example], held_out: Sequence[Example]) -> None:
    """Does nothing if `without_leaks` would leave out none of the training texts.

    Raises:
        ConfigError: a training text is a near-duplicate of a held-out one, maybe by way of others; names both.
    """
    sketches = [sketch_of(example.text) for example in (*held_out, *train)]
    clusters = clusters_of_sketches(sketches)
    held_in: dict[int, list[int]] = defaultdict(list)
    for i, cluster in enumerate(clusters[: len(held_out)]):
        held_in[cluster].append(i)
    leaking = [i for i in range(len(held_out), len(clusters)) if clusters[i] in held_in]
    if leaking:
        i = leaking[0]
        candidates = held_in[clusters[i]]
        j = next((j for j in candidates if same_story(sketches[i], sketches[j])), candidates[0])
        one, other = train[i - len(held_out)], held_out[j]
        raise ConfigError(
            f"training texts that are near-duplicates of held-out ones: {len(leaking)}; the first: "
            f"{one.place}: {shown(one.text)} repeats {other.place}: {shown(other.text)}"
        )


def split_by_cluster(texts: Sequence[str], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Splits into (rest, held out); the held-out part has at least `share` of the texts, in whole clusters."""
    clusters = clusters_of(texts)
    order = np.random.default_rng(seed).permutation(sorted(set(clusters)))
    sizes: dict[int, int] = defaultdict(int)
    for cluster in clusters:
        sizes[cluster] += 1
    chosen: set[int] = set()
    held = 0
    for cluster in order.tolist():
        if held >= share * len(texts):
            break
        chosen.add(cluster)
        held += sizes[cluster]
    rest = [i for i, cluster in enumerate(clusters) if cluster not in chosen]
    return rest, [i for i, cluster in enumerate(clusters) if cluster in chosen]


def folds_by_cluster(texts: Sequence[str], labels: Sequence[str | None] | None, k: int, seed: int) -> list[np.ndarray]:
    """Splits into k folds of whole clusters, as even in size as clusters allow, and roughly so in every class.

    Largest clusters first, each goes to the fold that has least of its classes, then least of all.

    Args:
        texts: the texts.
        labels: the class of each, None where a text has none; None if nothing is to be stratified.
        k: number of folds, at least 2.
        seed: decides between clusters of one size and the order of folds that are equally good.

    Returns:
        k arrays of indices in ascending order; the training part of a fold is all the others.

    Raises:
        ConfigError: there are fewer clusters than folds, or a class is missing from a fold or its training part.
    """
    if labels is not None and len(labels) != len(texts):
        raise ValueError(f"{len(labels)} labels for {len(texts)} texts")
    members: dict[int, list[int]] = defaultdict(list)
    for i, cluster in enumerate(clusters_of(texts)):
        members[cluster].append(i)
    if k < 2:
        raise ConfigError(f"{k} folds; wanted at least 2")
    if k > len(members):
        raise ConfigError(f"{k} folds need {k} clusters of near-duplicates; the {len(texts)} texts form {len(members)}")
    given = [None] * len(texts) if labels is None else labels
    groups = list(members.values())
    shuffled = [groups[i] for i in np.random.default_rng(seed).permutation(len(groups))]
    folds: list[list[int]] = [[] for _ in range(k)]
    counts: list[Counter[str]] = [Counter() for _ in range(k)]
    for group in sorted(shuffled, key=len, reverse=True):
        classes = Counter(label for i in group if (label := given[i]) is not None)
        shares = [sum(fold[name] * size for name, size in classes.items()) for fold in counts]
        best = min(range(k), key=lambda fold: (shares[fold], len(folds[fold])))
        folds[best] += group
        counts[best].update(classes)
    _check_classes(counts)
    return [np.array(sorted(fold)) for fold in folds]


def _check_classes(counts: Sequence[Counter[str]]) -> None:
    """Refuses folds of which one could not be measured, or not be trained without.

    Args:
        counts: texts by class, for each fold.
    """
    total = sum(counts, Counter[str]())
    for name in sorted(total):
        for number, fold in enumerate(counts, start=1):
            if fold[name] == total[name]:
                raise ConfigError(
                    f"class {name!r} is missing from the training part of fold {number}: "
                    f"its {total[name]} texts are all in that fold, since near-duplicates stay together"
                )
        for number, fold in enumerate(counts, start=1):
            if not fold[name]:
                raise ConfigError(f"class {name!r} is missing from fold {number} of {len(counts)}; take fewer folds")

"""Splits that keep near-duplicates on one side, so that a held-out figure is one.

Uses the same sketches as the live novelty index: what the monitor would call one story never straddles a split.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from monitor.ingest.sketch import same_story, sketch_of


def clusters_of(texts: Sequence[str]) -> list[int]:
    """Returns a cluster number per text; near-duplicates (transitively) share one."""
    parent = list(range(len(texts)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    sketches = [sketch_of(text) for text in texts]
    by_band: dict[str, list[int]] = defaultdict(list)
    for i, sketch in enumerate(sketches):
        for band in sketch.bands:
            # Comparing with the newest few of a band bounds the work on boilerplate; chains join the rest.
            for j in by_band[band][-20:]:
                if root(i) != root(j) and same_story(sketch, sketches[j]):
                    parent[root(i)] = root(j)
            by_band[band].append(i)
    return [root(i) for i in range(len(texts))]


def without_leaks(train: Sequence[str], held_out: Sequence[str]) -> list[int]:
    """Returns the indices of those training texts that are near-duplicates of no held-out text."""
    clusters = clusters_of([*held_out, *train])
    taken = set(clusters[: len(held_out)])
    return [i for i, cluster in enumerate(clusters[len(held_out) :]) if cluster not in taken]


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

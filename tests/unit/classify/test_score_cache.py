"""Laws of the score cache."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.classify.score_cache import ScoreCache

STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60)


@given(STEPS, st.integers(0, 6))
def test_it_has_what_was_used_last_and_nothing_else(steps: list[tuple[bool, int]], entries: int) -> None:
    """Compared with a plain list of keys, the most recently used last."""
    cache: ScoreCache[int, str] = ScoreCache(entries)
    recent: list[int] = []
    for put, key in steps:
        known = key in recent
        if put:
            cache.put(key, str(key))
        else:
            assert cache.get(key) == (str(key) if known else None)
        if put or known:
            recent = [*(other for other in recent if other != key), key]
        recent = recent[-entries:] if entries else []
        assert len(cache) == len(recent)


def test_a_value_is_the_last_that_was_put() -> None:
    """Under its key alone."""
    cache: ScoreCache[str, int] = ScoreCache(2)
    cache.put("a", 1)
    cache.put("a", 2)
    cache.put("b", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (2, 3, None)

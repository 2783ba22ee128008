"""Laws of batches that come again, of rounds prepared ahead and of workers that wake up late: none is applied past."""

from __future__ import annotations

import pytest

from monitor.errors import TransientError
from tests.builders import batch
from tests.unit.test_pipeline import Path, news


@pytest.mark.parametrize("fails_first", [False, True], ids=["scored, then dead", "dead, then scored"])
def test_a_record_is_published_as_what_it_is_applied_as(fails_first: bool) -> None:
    """Also where the model changes its mind between attempts: none is applied past, counted nowhere and told nowhere."""
    path = Path(failing=[1], partitions=1)
    records = batch([news("a"), news("b"), news("c")])
    path.classifier.failing_words = {"plant b"} if fails_first else set()
    with pytest.raises(TransientError):
        path.process(records)
    path.sink.scored.clear()
    path.sink.dead.clear()
    path.classifier.failing_words = set() if fails_first else {"plant b"}
    path.process(records)
    assert [one.document.id for one in path.sink.scored] == (["b"] if fails_first else [])
    assert [letter.record.offset for letter in path.sink.dead] == ([] if fails_first else [1])
    assert (path.documents(), path.count("dead_letters", reason="model_failed")) == ((3, 0) if fails_first else (2, 1))


def test_a_batch_that_comes_again_is_published_once() -> None:
    """As long as it is told the same, and up to where it is applied."""
    path = Path(failing=[1, 2], partitions=1)
    records = batch([news("a"), b"no json"])
    for _ in range(2):
        with pytest.raises(TransientError):
            path.process(records)
    path.process(records)
    assert ([one.document.id for one in path.sink.scored], len(path.sink.dead)) == (["a"], 1)

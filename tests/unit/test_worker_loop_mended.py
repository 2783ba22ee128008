"""The worker's loop over documents that fail and come again mended, while rounds run ahead and things fail."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import message, record
from tests.unit.test_worker_loop import PARTITIONS, Bench

COUNT = 24
copies = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=COUNT, max_size=COUNT)


def topic_of(partition: int, told: list[tuple[int, bool]]) -> list[bytes]:
    """Copies of a few documents in any order, some of which can't be scored."""
    values = []
    for number, poison in told:
        name = f"{partition}-{number}"
        said = message(id=name, title=f"falls {name} {name * 3}", text="POISON" if poison else None)
        values.append(record(said).value or b"")
    return values


def documents_of(bench: Bench) -> int:
    """How many documents the trends count."""
    return sum(
        amount
        for state in bench.trends.partitions()
        for part in bench.trends.changed_since(state.partition, -1)
        if part.bucket.seconds == 60
        for cell, amount in part.counts.items()
        if (cell.dimension, cell.measure) == ("all", "documents")
    )


def test_what_was_applied_gives_no_claim_back_though_the_answer_got_lost() -> None:
    """Read once more, in other rounds, an unscorable copy would take the claim of the one that counts, and then give it up."""

    def take_less(bench: Bench, number: int) -> None:
        if number == 1:
            bench.loop._gathering._most_records = 1

    bench = Bench(failing=[2], each_poll=take_less, max_round_records=2)
    bench.topic[:] = [topic_of(0, [(1, False), (2, False), (0, True), (0, False), (0, False)]), [], []]
    assert bench.run()
    assert documents_of(bench) == 3


@settings(max_examples=20, deadline=None)
@given(
    told=copies,
    failing=st.sets(st.integers(1, 25), max_size=3),
    moved=st.sets(st.integers(0, 30), max_size=2),
    records=st.integers(1, 12),
)
def test_a_document_counts_once_if_any_copy_of_it_can_be_scored(
    told: list[tuple[int, bool]], failing: set[int], moved: set[int], records: int
) -> None:
    """Whatever was prepared ahead of the copy that failed; and never twice."""

    def disturb(bench: Bench, number: int) -> None:
        if number >= 4:  # until then the model waits, so that rounds are prepared ahead of it
            bench.classifier.go.set()
        if number in moved:
            bench.source.release(number % PARTITIONS)

    bench = Bench(failing=sorted(failing), each_poll=disturb, max_round_records=records)
    bench.topic[:] = [topic_of(partition, told) for partition in range(PARTITIONS)]
    bench.classifier.go.clear()
    assert bench.run()
    assert documents_of(bench) == PARTITIONS * len({number for number, poison in told if not poison})

"""Laws of near-duplicate sketches."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.ingest.sketch import BANDS, SKETCH_SIZE, pack, same_story, sketch_of, sketches_of, unpack

STORY = "Chip maker Nvidia warns of weak demand and cuts its third quarter outlook"

OPENINGS = ("", "UPDATE 2-", "RT @desk: ", "(Reuters) - ", "$MSFT and #chips: ")
TEXTS = (
    STORY,
    STORY.upper(),
    STORY.title(),
    "Acme profit up 4.5% to 1,200 mln, Zenith’s down 14%",
    "O'Neil & Sons' CEO don't say: Q3 EBITDA 3M, B2B 5G",
    "Société Générale hebt Müller-Größe auf ÜBERGEWICHTEN, ŒUVRE straße",
    "İSTANBUL borsası yükseldi; ΣΊΣΥΦΟΣ ΟΔΟΣ ANΣ Σ",
    "Акции Газпрома ВЫРОСЛИ на 3,5% после отчёта",
    "阿里巴巴第三季度净利润同比下降14%，Alibaba股价跌5%",
    "日本銀行は金利を据え置き、トヨタは上昇",
    "ﬁnance ﬂows: ｆｕｌｌ ｗｉｄｔｈ １２３ ²³ ½ ǅ ǆ ﬀ",
    "a a a a a b a b a",
    "same Same SAME same",
    "😀 …!?",
    "",
    "x",
    "_under_score_ __init__ 9_9 7up 3rd 100",
    " ".join(f"word{number} Name{number % 7} {number}%" for number in range(90)),
)
CLOSINGS = ("", " - Example Times", " | www.example.com/a?b=1", "\t&amp;amp; Co\u200b")


def joins(one: str, other: str) -> bool:
    """Whether two texts are found as candidates of each other, and match."""
    a, b = sketch_of(one), sketch_of(other)
    return bool(set(a.bands) & set(b.bands)) and same_story(a, b)


@pytest.mark.parametrize(
    "reprint",
    [
        f"UPDATE 2-{STORY}",
        f"(Reuters) - {STORY}",
        f"BREAKING: {STORY}",
        f"RT @desk: {STORY} https://t.co/x",
        f"{STORY} - Example Times",
        f"{STORY} | MarketWatch",
        STORY.upper(),
        STORY.title(),
        f"“{STORY}.”",
        STORY.replace("Chip maker ", ""),
    ],
)
def test_reprints_join(reprint: str) -> None:
    """Wire prefix, publisher's name, case, punctuation and a dropped word make no new story."""
    assert joins(STORY, reprint)
    assert joins(reprint, STORY)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Acme profit up 4% in third quarter on chip sales", "Acme profit up 14% in third quarter on chip sales"),
        ("Acme Profit Up 4% In Third Quarter On Chip Sales", "Acme Profit Up 14% In Third Quarter On Chip Sales"),
        (
            "Shares of Acme fall after weak results, outlook cut",
            "Shares of Zenith fall after weak results, outlook cut",
        ),
        ("$AAPL puts printing after weak guidance today", "$INTC puts printing after weak guidance today"),
        ("阿里巴巴第三季度净利润同比下降4%", "阿里巴巴第三季度净利润同比下降14%"),
        ("Oil falls as demand worries grow", "Gold rises as the dollar slips"),
        ("Fed raises rates by 25 basis points in May", "Fed raises rates by 50 basis points in May"),
    ],
)
def test_other_numbers_and_names_are_other_stories(one: str, other: str) -> None:
    """Headlines off one template tell several stories."""
    assert not joins(one, other)


@given(st.text())
def test_every_text_is_its_own_story(text: str) -> None:
    """Even one without a word; and the same sketch comes out each time."""
    sketch = sketch_of(text)
    assert sketch == sketch_of(text)
    assert same_story(sketch, sketch)
    assert len(sketch.bands) == BANDS
    assert 1 <= len(sketch.shingles) <= SKETCH_SIZE


@given(st.lists(st.text(), max_size=20))
def test_sketches_made_together_are_those_made_alone(texts: list[str]) -> None:
    """Neighbours in a batch change nothing."""
    assert sketches_of([(text, ("NVDA",)) for text in texts]) == [sketch_of(text, ("NVDA",)) for text in texts]


def test_sketches_stay_those_that_redis_holds() -> None:
    """A release that computes others would take every reprint of the last days for news."""
    sketch = sketch_of(STORY, ("NVDA",))
    assert sketch.bands[:2] == ("0:a0a17301d3600320c15d1200", "1:300bea0bdf1b470314b40121")
    assert sketch.bands[6:] == ("6:a84a880ff5bbdd04ed706b08", "7:d401ce00800f8103fb8de504")
    assert hashlib.sha256(pack(sketch)).hexdigest()[:16] == "f349298da90b9b74"


def test_sketches_of_any_script_and_case_stay_those_that_redis_holds() -> None:
    """Each of a sample, made together; the digest is of what the first release computed."""
    texts = [f"{opening}{text}{closing}" for opening in OPENINGS for text in TEXTS for closing in CLOSINGS]
    sketches = sketches_of([(text, ("MSFT", "NVDA")[: at % 3]) for at, text in enumerate(texts)])
    written = "\n".join(f"{sketch.bands} {pack(sketch).hex()}" for sketch in sketches)
    assert (
        hashlib.sha256(written.encode()).hexdigest()
        == "d9744aa0bfc951f030d5110f6bf4e808017678bb77491c5b02821d622b2adf65"
    )


def test_memory_does_not_grow_with_how_many_long_texts_are_sketched_together() -> None:
    """A document without a headline is sketched from its whole text; only the sketches of a round are held at once."""
    texts = [(" ".join(f"{word * 7919 + text}" for word in range(2000)), ()) for text in range(128)]
    tracemalloc.start()
    try:
        sketches = sketches_of(texts)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20
    assert [sketches[at] for at in (0, 60, 127)] == [sketch_of(*texts[at]) for at in (0, 60, 127)]


@given(st.text(), st.text())
def test_telling_the_same_story_is_symmetric(one: str, other: str) -> None:
    """Whichever came first."""
    assert same_story(sketch_of(one), sketch_of(other)) == same_story(sketch_of(other), sketch_of(one))


@given(st.text())
def test_packing_keeps_what_is_compared(text: str) -> None:
    """Shingles and marks come back; bands are kept elsewhere."""
    sketch = sketch_of(text)
    back = unpack(pack(sketch))
    assert (back.shingles, back.marks, back.bands) == (sketch.shingles, sketch.marks, ())


def test_long_texts_are_compared_by_a_sample() -> None:
    """A comment without a headline of three hundred words still matches its copy with a few words changed."""
    words = [f"word{i}" for i in range(300)]
    changed = [*words[:150], "another", "thought", *words[152:]]
    assert len(sketch_of(" ".join(words)).shingles) == SKETCH_SIZE
    assert joins(" ".join(words), " ".join(changed))
    assert not joins(" ".join(words), " ".join(f"other{i}" for i in range(300)))

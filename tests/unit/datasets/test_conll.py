"""Laws of reading CoNLL files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from pipelines.datasets.examples import TaggedSentence
from pipelines.datasets.load import load_tagged
from tests.unit.datasets.conftest import Write

TOKENS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8).filter(
    lambda word: word != "-DOCSTART-"
)
NAMES = st.tuples(st.sampled_from(["ORG", "PER", "LOC", None]), st.lists(TOKENS, min_size=1, max_size=3))
Name = tuple[str | None, list[str]]


def tagged(names: list[Name]) -> tuple[list[str], list[str]]:
    """Tokens and their IOB2 tags; the type None stands for no name."""
    tokens = [token for _, words in names for token in words]
    tags = ["O" if kind is None else f"{'I' if i else 'B'}-{kind}" for kind, words in names for i in range(len(words))]
    return tokens, tags


SENTENCES = st.lists(st.lists(NAMES, min_size=1, max_size=5).map(tagged), min_size=1, max_size=5).filter(
    lambda sentences: any(tag != "O" for _, tags in sentences for tag in tags)
)


@given(SENTENCES, st.sampled_from(["{0} {1}", "{0}\t{1}", "{0} {1} 0", "{0} NN B-NP {1}"]), st.booleans())
def test_every_sentence_comes_back(
    write: Write, sentences: list[tuple[list[str], list[str]]], line: str, documents: bool
) -> None:
    """From two columns, three, or the four of CoNLL-2003, with lines between documents or without."""
    start = f"{line.format('-DOCSTART-', 'O')}\n\n" if documents else ""
    parts = [start + "\n".join(map(line.format, tokens, tags)) for tokens, tags in sentences]
    found = load_tagged(write("a.txt", "\n\n".join(parts)), "conll")
    assert [(list(sentence.tokens), list(sentence.tags)) for sentence in found] == sentences


def test_a_sentence_knows_its_first_line(write: Write) -> None:
    """Several blank lines separate as one does."""
    path = write("a.txt", "-DOCSTART- -X- -X- O\n\nAcorn NNP B-NP B-ORG\nrose VBD B-VP O\n\n \n\nAnn NNP B-NP B-PER\n")
    assert load_tagged(path, "conll") == [
        TaggedSentence(("Acorn", "rose"), ("B-ORG", "O"), "set/a.txt, line 3"),
        TaggedSentence(("Ann",), ("B-PER",), "set/a.txt, line 8"),
    ]


@given(SENTENCES)
def test_iob1_is_converted_where_it_is_said(write: Write, sentences: list[tuple[list[str], list[str]]]) -> None:
    """There B- stands only where two names of one type meet."""
    parts = []
    for tokens, tags in sentences:
        meets = (tag[2:] == before[2:] for tag, before in zip(tags, ["O", *tags], strict=False))
        iob1 = [tag if same else tag.replace("B-", "I-") for tag, same in zip(tags, meets, strict=True)]
        parts.append("\n".join(map("{} {}".format, tokens, iob1)))
    found = load_tagged(write("a.txt", "\n\n".join(parts)), "conll_iob1")
    assert [(list(sentence.tokens), list(sentence.tags)) for sentence in found] == sentences


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Acorn B-ORG\nrose O\nAnn I-PER\n", "line 3: I-PER follows O; in IOB2 a name begins with B-"),
        ("Acorn B-ORG\nAnn I-PER\n", "line 2: I-PER follows B-ORG"),
        ("Acorn B-ORG\n\nAnn I-PER\n", "line 3: I-PER begins a sentence; .*conll_iob1"),
        ("Acorn B-ORG\nrose o\n", "line 2: 'o' is no tag; wanted O, B-TYPE or I-TYPE"),
        ("Acorn S-ORG\n", "line 1: neither the last nor the second column is a tag: 'S-ORG'"),
        ("Acorn B-ORG\nrose\n", "line 2: 1 columns in a file of 2"),
        ("Acorn B-ORG\nrose VBD O\n", "line 2: 3 columns in a file of 2"),
        ("Acorn\n", "line 1: one column"),
        ("Acorn\tB-ORG\n\tO\n", "line 2: no text"),
        ("Acorn B-ORG\nro\0se O\n", "line 2: a NUL byte"),
        (b"Acorn B-ORG\ncaf\xe9 O\n", "line 2: byte 0xe9 is not UTF-8"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(write: Write, content: str | bytes, said: str) -> None:
    """File, line and reason."""
    with pytest.raises(ConfigError, match=rf"a\.txt, {said}"):
        load_tagged(write("a.txt", content), "conll")


@pytest.mark.parametrize(("content", "said"), [("-DOCSTART- O\n", "no tagged sentence"), ("It O\n", "every tag is O")])
def test_a_file_without_names_is_an_error(write: Write, content: str, said: str) -> None:
    """It could neither teach nor measure anything."""
    with pytest.raises(ConfigError, match=said):
        load_tagged(write("a.txt", content), "conll")

"""What an editor does to a wire story that already ran: another prefix, suffix, case, quotes, a closing clause."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.sample_feed.draw import Draw
from pipelines.sample_feed.stories import Source, Story
from pipelines.sample_feed.writer import SMALL_WORDS, title_case

_PREFIXES = ("UPDATE 1-", "UPDATE 2-", "UPDATE 3-", "RPT-", "REFILE-", "BREAKING: ", "UPDATED: ", "WRAPUP 1-")
_CLOSINGS = (
    ", statement says",
    ", filing shows",
    ", sources say",
    " - report",
    ", officials say",
    " (updated)",
    " today",
)


def reprint_title(draw: Draw, story: Story, source: Source, changes: int) -> str:
    """Returns the story's headline after so many different editor's changes.

    Args:
        draw: where choices come from.
        story: the story as it first ran.
        source: who prints it again.
        changes: how many, 1 to 4.
    """
    edits: list[tuple[int, Callable[[str], str]]] = [
        (0, lambda title: _quoted(draw, title)),
        (1, lambda title: title + (" (updated)" if "," in title[-40:] else draw.pick(_CLOSINGS))),
        (2, title_case if draw.chance(0.75) else str.upper),
        (3, lambda title: f"{draw.pick(_PREFIXES)}{title}"),
        (4, lambda title: f"{title} {draw.pick('-|')} {source.name}"),
    ]
    title = story.title
    for _, edit in sorted(draw.shuffled(edits)[:changes], key=lambda pair: pair[0]):
        title = edit(title)
    return title


def _quoted(draw: Draw, title: str) -> str:
    """Puts two neighbouring plain words of the headline in quotation marks, if it has such."""
    words = title.split(" ")
    plain = [word.isalpha() and word.islower() and word not in SMALL_WORDS for word in words]
    starts = [i for i in range(len(words) - 1) if plain[i] and plain[i + 1]]
    if not starts:
        return title
    start = draw.pick(starts)
    return " ".join([*words[:start], f"“{words[start]} {words[start + 1]}”", *words[start + 2 :]])

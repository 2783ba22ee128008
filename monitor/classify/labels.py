"""What the labels of a checkpoint mean: its own names for the classes are mapped onto the monitor's, never guessed.

Guarantees: pure; a label with two meanings can't arise; labels that mean the same add up; an unknown label, or a sentiment
that no label means, is a ConfigError that names it, the checkpoint and what is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from monitor.errors import ConfigError
from monitor.messages import SENTIMENTS

SENTIMENT, TOPIC = "sentiment", "topic"
# The classes of zeroshot/twitter-financial-news-topic, as the shipped models know them.
TOPICS = (
    "Analyst Update",
    "Company / Product News",
    "Currencies",
    "Dividend",
    "Earnings",
    "Energy / Oil",
    "Fed / Central Banks",
    "Financials",
    "General News / Opinion",
    "Gold / Metals / Materials",
    "IPO",
    "Legal / Regulation",
    "M&A / Investments",
    "Macro",
    "Markets",
    "Personnel Change",
    "Politics",
    "Stock Commentary",
    "Stock Movement",
    "Treasuries / Corporate Debt",
)
CLASSES = {SENTIMENT: SENTIMENTS, TOPIC: TOPICS}
_BUILT_IN = {
    "neg": "negative",
    "bearish": "negative",
    "neu": "neutral",
    "pos": "positive",
    "bullish": "positive",
}


def meanings_of(labels: Sequence[str], task: str, checkpoint: str, aliases: Mapping[str, str]) -> list[int]:
    """Returns for each label the index of the class it means, in `CLASSES[task]`.

    Names are compared without case, spaces and punctuation: "Fed | Central Banks" is "Fed / Central Banks". Labels that are
    then the same, such as "-1" and "1", are told apart by aliases in their exact spelling alone.

    Args:
        labels: the checkpoint's names, by its class index.
        task: `sentiment` or `topic`.
        checkpoint: the name it was given by.
        aliases: label = class, where needed as checkpoint:label or task:label; they come before what is known anyway.

    Raises:
        ConfigError: a label means no class, an alias leads to none, or no label means one of the sentiments.
    """
    known = {_plain(name): name for name in CLASSES[task]} | ({} if task == TOPIC else _BUILT_IN)
    loose = {_plain(label): meaning for label, meaning in aliases.items()}
    alike = Counter(map(_plain, labels))
    meant = []
    for label in labels:
        plain = loose if alike[_plain(label)] == 1 else {}
        ways = (f"{checkpoint}:{label}", f"{task}:{label}", label)
        alias = next(filter(None, (aliases.get(way) or plain.get(_plain(way)) for way in ways)), None)
        name = known.get(_plain(label if alias is None else alias))
        if name is None:
            said = f"{label!r}" if alias is None else f"{alias!r} (classifier.label_aliases for {label!r})"
            raise ConfigError(
                f"{checkpoint}: {said} is no {task} that is known; give classifier.label_aliases a meaning for it out of: "
                f"{', '.join(CLASSES[task])}. Labels of the checkpoint: {', '.join(labels)}",
                reason="labels",
            )
        meant.append(CLASSES[task].index(name))
    absent = [name for i, name in enumerate(CLASSES[task]) if i not in meant]
    if task == SENTIMENT and absent:
        raise ConfigError(
            f"{checkpoint}: no label means {', '.join(absent)}; its labels are {', '.join(labels)}", reason="labels"
        )
    return meant


def _plain(name: str) -> str:
    """Letters and digits alone, in small letters."""
    return "".join(character for character in name.casefold() if character.isalnum())

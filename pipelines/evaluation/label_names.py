"""Labels by another name: what `--labels` says, and a class however it is capitalised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from monitor.errors import ConfigError


@dataclass(frozen=True, slots=True)
class LabelNames:
    """Other spellings of labels; upper and lower case count as the same.

    Attributes:
        meant: label as written, in lower case, to the label that is meant.
    """

    meant: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, flags: Iterable[str]) -> LabelNames:
        """Reads `WRITTEN=MEANT,WRITTEN=MEANT`, as often as given.

        Raises:
            ConfigError: a part is no pair, or says two things of one label.
        """
        meant: dict[str, str] = {}
        for part in (part for flag in flags for part in flag.split(",")):
            written, equals, label = (piece.strip() for piece in part.partition("="))
            if not (written and equals and label):
                raise ConfigError(f"--labels {part!r}: wanted WRITTEN=MEANT, such as 0=negative,1=neutral,2=positive")
            if meant.setdefault(written.casefold(), label) != label:
                raise ConfigError(f"--labels: {written!r} is both {meant[written.casefold()]!r} and {label!r}")
        return cls(meant)

    def renamed(self, label: str) -> str:
        """The label that is meant; itself where nothing is said of it."""
        return self.meant.get(label.strip().casefold(), label.strip())

    def find(self, label: str, known: Sequence[str]) -> str | None:
        """The class of `known` that `label` means, or None."""
        wanted = self.renamed(label).casefold()
        return next((name for name in known if name.casefold() == wanted), None)

    def known(self, label: str, known: Sequence[str], place: str) -> str:
        """The class of `known` that `label` means.

        Raises:
            ConfigError: it means none; names the place and what is allowed.
        """
        found = self.find(label, known)
        if found is None:
            raise ConfigError(
                f"{place}: label {label!r} is none of {', '.join(known)}; --labels {label}=CLASS says what it means"
            )
        return found

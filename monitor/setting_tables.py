"""Types of settings that are tables: a value by language, and what labels of other people's checkpoints mean.

In TOML a table; in the environment and in flags `en=FOLDER,zh=off`, or as `config show` prints it. A value without a
language is that of English.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

OFF = "off"
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_BY_LANGUAGE = re.compile(r"\s*[a-z]{2,3}\s*=")


def _table(value: Any) -> Any:
    """Pairs out of text: `a=b,c=d` or an inline TOML table; anything else as it is."""
    if not isinstance(value, str):
        return value
    if value.strip().startswith("{"):
        try:
            return tomllib.loads(f"table = {value}")["table"]
        except tomllib.TOMLDecodeError:
            return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    return {key.strip(): meaning.strip() for key, equals, meaning in pairs if equals or key.strip()}


def _by_language(value: Any) -> Any:
    if isinstance(value, str):
        if not value.strip():
            return {}
        value = _table(value) if value.lstrip().startswith("{") or _BY_LANGUAGE.match(value) else value
    if isinstance(value, str | Path):
        return {"en": str(value)}
    return (
        {key: str(one) if isinstance(one, Path) else one for key, one in value.items()}
        if isinstance(value, dict)
        else value
    )


def _checked_languages(table: dict[str, str]) -> dict[str, str]:
    for language, value in table.items():
        if not _LANGUAGE.fullmatch(language):
            raise ValueError(
                f"{language[:40]!r} is no language: two or three small letters are expected, as in en or zh"
            )
        if not value.strip():
            raise ValueError(f"nothing is given for the language {language}")
    return table


def _checked_pairs(table: dict[str, str]) -> dict[str, str]:
    for key, value in table.items():
        if not key.strip() or not value.strip():
            raise ValueError(f"expected label=meaning, not {key[:40]!r}={value[:40]!r}")
    return table


ByLanguage = Annotated[dict[str, str], BeforeValidator(_by_language), AfterValidator(_checked_languages)]
Aliases = Annotated[dict[str, str], BeforeValidator(_table), AfterValidator(_checked_pairs)]

"""Settings as the arguments of a command."""

from __future__ import annotations

from pydantic import SecretStr

from monitor.settings import Settings


def flags_of(settings: Settings) -> list[str]:
    """Command-line flags that give a process of its own those settings that were given explicitly."""
    flags: list[str] = []
    for section, keys in settings.model_dump(exclude_unset=True).items():
        for key, value in keys.items():
            shown = value.get_secret_value() if isinstance(value, SecretStr) else value
            flags += ["--set", f"{section}.{key}={shown}"]
    return flags

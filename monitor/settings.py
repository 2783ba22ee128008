"""Settings out of their sources: flags beat environment, environment beats TOML, TOML beats defaults.

Environment: MONITOR_<SECTION>__<KEY>, for instance MONITOR_KAFKA__BOOTSTRAP_SERVERS. A misspelt name, an unknown key
and a missing file are errors at start-up that name where they stand and what is allowed.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from monitor.errors import ConfigError
from monitor.setting_sections import (
    ClassifierSettings,
    ExporterSettings,
    IngestSettings,
    KafkaSettings,
    LogSettings,
    RedisSettings,
    Settings,
    SpikeSettings,
    TrendSettings,
    WorkerSettings,
)

__all__ = [
    "CONFIG_VARIABLE",
    "ClassifierSettings",
    "ENVIRONMENT_PREFIX",
    "ExporterSettings",
    "IngestSettings",
    "KafkaSettings",
    "LogSettings",
    "RedisSettings",
    "Settings",
    "SpikeSettings",
    "TrendSettings",
    "WorkerSettings",
    "load_settings",
    "settings_toml",
]

ENVIRONMENT_PREFIX = "MONITOR_"
CONFIG_VARIABLE = "MONITOR_CONFIG"
_MASK = "********"
# Set for other parts of the program, not settings sections.
_RESERVED = {CONFIG_VARIABLE, "MONITOR_JAVA"}


def load_settings(
    config: Path | None = None,
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Merges TOML file, environment and `section.key=value` flags over the defaults.

    Args:
        config: the TOML file; None reads the path in MONITOR_CONFIG, if set.
        flags: values of `--set`.
        environment: in place of the process's, for tests.

    Raises:
        ConfigError: names the file, variable or flag, the key, and what is allowed.
    """
    env = os.environ if environment is None else environment
    path = config or (Path(env[CONFIG_VARIABLE]) if env.get(CONFIG_VARIABLE) else None)
    merged: dict[str, dict[str, Any]] = {}
    origins: dict[tuple[str, str], str] = {}
    for origin, section, key, value in [*_from_file(path), *_from_environment(env), *_from_flags(flags)]:
        _check_key(origin, section, key)
        merged.setdefault(section, {})[key] = value
        origins[section, key] = origin
    try:
        return Settings.model_validate(merged)
    except ValidationError as exc:
        raise ConfigError("\n".join(_explain(error, origins) for error in exc.errors())) from exc


def _sections() -> dict[str, type[BaseModel]]:
    return {
        name: field.annotation for name, field in Settings.model_fields.items() if isinstance(field.annotation, type)
    }


def _from_file(path: Path | None) -> list[tuple[str, str, str, Any]]:
    if path is None:
        return []
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"{path}: no settings file that can be read ({exc.strerror})") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: not TOML: {exc}") from exc
    found = []
    for section, values in table.items():
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: {section!r} stands outside a section; sections: {', '.join(_sections())}")
        found += [(str(path), section, key, value) for key, value in values.items()]
    return found


def _from_environment(env: Mapping[str, str]) -> list[tuple[str, str, str, Any]]:
    found = []
    for name, value in sorted(env.items()):
        if not name.startswith(ENVIRONMENT_PREFIX) or name in _RESERVED:
            continue
        section, separator, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        if not separator:
            raise ConfigError(
                f"environment {name}: expected {ENVIRONMENT_PREFIX}<SECTION>__<KEY>; sections: {', '.join(_sections())}"
            )
        found.append((f"environment {name}", section, key, _parsed(section, key, value)))
    return found


def _from_flags(flags: Sequence[str]) -> list[tuple[str, str, str, Any]]:
    found = []
    for flag in flags:
        name, equals, value = flag.partition("=")
        section, dot, key = name.partition(".")
        if not equals or not dot:
            raise ConfigError(f"--set {name}: expected section.key=value")  # the value may be a secret
        found.append((f"--set {name}", section, key, _parsed(section, key, value)))
    return found


def _parsed(section: str, key: str, value: str) -> Any:
    """Lists come as comma-separated text, "nothing" as an empty one; everything else is left to the field's type."""
    model = _sections().get(section)
    field = model.model_fields.get(key) if model else None
    if field is not None and str(field.annotation).startswith("tuple"):
        inside = value.strip().removeprefix("[").removesuffix("]")  # `config show` prints it so
        return [part.strip().strip("\"'") for part in inside.split(",") if part.strip()]
    if field is not None and field.default is None and not value.strip():
        return None
    return value


def _check_key(origin: str, section: str, key: str) -> None:
    sections = _sections()
    if section not in sections:
        raise ConfigError(f"{origin}: no section {section!r}; sections: {', '.join(sections)}")
    if key not in sections[section].model_fields:
        raise ConfigError(f"{origin}: no key {section}.{key}; keys: {', '.join(sections[section].model_fields)}")


def _explain(error: Any, origins: Mapping[tuple[str, str], str]) -> str:
    section, key = (*map(str, error["loc"]), "", "")[:2]
    if not section:
        return f"{', '.join(sorted({*origins.values()})) or 'defaults'}: {error['msg']}"
    if not key:
        given = sorted(origin for (s, _), origin in origins.items() if s == section)
        return f"{', '.join(given) or 'defaults'}: [{section}] {error['msg']}"
    origin = origins.get((section, key), "default")
    secret = "SecretStr" in str(_sections()[section].model_fields[key].annotation)
    shown = "" if secret else f" (given: {str(error['input'])[:80]!r})"
    meaning = _sections()[section].model_fields[key].description
    return f"{origin}: {section}.{key}: {error['msg']}{shown}. Meaning: {meaning}"


def settings_toml(settings: Settings) -> str:
    """The settings as TOML that `load_settings` reads again, secrets masked, each key with its meaning."""
    lines: list[str] = []
    for section, model in settings:
        lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        for key, field in type(model).model_fields.items():
            value = getattr(model, key)
            lines.append(f"# {field.description}")
            lines.append(f"# {key} is not set" if value is None else f"{key} = {_toml_value(value)}")
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = _masked(value.get_secret_value())
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        pairs = [f"{_toml_value(key)} = {_toml_value(item)}" for key, item in value.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    # TOML's strings are JSON's, but for surrogate pairs and DEL.
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _masked(secret: str) -> str:
    """A password whole; of a Redis address its user, password and query, which may hold them too."""
    scheme, separator, rest = secret.partition("://")
    if not separator or scheme not in ("redis", "rediss", "unix"):
        return _MASK
    address, query, _ = rest.partition("?")
    credentials, at, host = address.rpartition("@")
    return f"{scheme}://{_MASK + '@' if at and credentials else ''}{host}{'?' + _MASK if query else ''}"

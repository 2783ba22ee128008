"""The jar cache: what the lock says is what runs, whatever befalls the cache or the network."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from monitor.embedded import jars
from monitor.embedded.jars import Jar, default_cache_dir, kafka_jars, read_lock
from monitor.embedded.maven import FetchError
from monitor.errors import ConfigError

CONTENT = {
    "org.apache.kafka:kafka_2.13:4.3.1": b"broker",
    "org.apache.kafka:kafka-clients:4.3.1": b"clients",
    "org.slf4j:slf4j-api:1.7.36": b"logging",
}
LOCK = [Jar(coordinate, hashlib.sha256(content).hexdigest()) for coordinate, content in CONTENT.items()]
CLIENTS = LOCK[1]


class FakeCentral:
    """Stands for Maven Central: counts what is asked for, and serves `content`."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self.content = content
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, coordinate: str, folder: Path) -> Path:
        """Serves a jar as a file in the folder."""
        with self._lock:
            self.asked.append(coordinate)
        if coordinate not in self.content:
            raise FetchError("404")
        file = folder / "downloaded"
        file.write_bytes(self.content[coordinate])
        return file


def silent(_: str) -> None:
    """Takes what would be said."""


@pytest.fixture
def central() -> FakeCentral:
    """A repository that has every jar as locked."""
    return FakeCentral(dict(CONTENT))


@pytest.fixture
def fill(tmp_path: Path, central: FakeCentral) -> Callable[[], list[Path]]:
    """Gets the jars from the fake repository by way of a cache in the test's folder."""
    return lambda: kafka_jars(cache_dir=tmp_path, say=silent, lock=LOCK, fetch=central)


def test_shipped_lock_names_each_jar_once_and_one_version_of_kafka() -> None:
    """The lock that is shipped can be read, and no two of its jars share a file name."""
    lock = read_lock(Path(jars.__file__).with_name("jars.lock").read_text(encoding="utf-8"))
    names = [jar.file_name for jar in lock]
    assert len(set(names)) == len(names) == 46
    kafka = [jar.coordinate for jar in lock if jar.coordinate.startswith("org.apache.kafka:")]
    assert {coordinate.rpartition(":")[2] for coordinate in kafka} == {"4.3.1"}


def test_lock_skips_comments_and_blank_lines() -> None:
    """Only jars are read from a lock."""
    assert read_lock(f"# why\n\n{CLIENTS.coordinate} sha256:{CLIENTS.sha256}\n") == (CLIENTS,)


def test_lock_that_is_damaged_names_the_line() -> None:
    """A line that is no jar is an error, not a jar that goes unchecked."""
    with pytest.raises(ConfigError, match="line 2"):
        read_lock("# why\norg.apache.kafka:kafka-clients:4.3.1 sha256:cafe\n")


def test_jars_are_fetched_once(fill: Callable[[], list[Path]], central: FakeCentral) -> None:
    """The first start fetches every jar under its own name; the second asks for none."""
    first = fill()
    assert {path.name: path.read_bytes() for path in first} == {jar.file_name: CONTENT[jar.coordinate] for jar in LOCK}
    assert fill() == first
    assert sorted(central.asked) == sorted(CONTENT)


def test_wrong_sum_is_refused_with_both_sums_and_a_way_out(
    tmp_path: Path, fill: Callable[[], list[Path]], central: FakeCentral
) -> None:
    """The error names the coordinate, what was expected and found, and the Kafka of one's own; nothing is kept."""
    central.content[CLIENTS.coordinate] = b"something else"
    with pytest.raises(ConfigError) as caught:
        fill()
    text = str(caught.value)
    for part in (
        CLIENTS.coordinate,
        CLIENTS.sha256,
        hashlib.sha256(b"something else").hexdigest(),
        "kafka.bootstrap_servers",
        "MONITOR_KAFKA__BOOTSTRAP_SERVERS",
        "KAFKA_HOME",
    ):
        assert part in text
    assert not list(tmp_path.rglob(CLIENTS.file_name))
    assert not list(tmp_path.rglob("downloaded"))


def test_jar_that_cannot_be_fetched_is_an_error_with_a_way_out(
    fill: Callable[[], list[Path]], central: FakeCentral
) -> None:
    """The error names the coordinate, its sum, the cause and the Kafka of one's own."""
    del central.content[CLIENTS.coordinate]
    with pytest.raises(ConfigError) as caught:
        fill()
    for part in (CLIENTS.coordinate, CLIENTS.sha256, "404", "MONITOR_KAFKA__BOOTSTRAP_SERVERS", "KAFKA_HOME"):
        assert part in str(caught.value)


@pytest.mark.parametrize("damage", [b"clientz", b"cli", b""], ids=["same size", "cut off", "empty"])
def test_damaged_jar_is_fetched_again(damage: bytes, fill: Callable[[], list[Path]], central: FakeCentral) -> None:
    """A cached jar that is no longer what the lock says is replaced, and it alone."""
    path = next(path for path in fill() if path.name == CLIENTS.file_name)
    central.asked.clear()
    path.write_bytes(damage)
    # A clock that stood still between the two writes would make them look alike.
    os.utime(path, ns=(1, 1))
    fill()
    assert path.read_bytes() == CONTENT[CLIENTS.coordinate]
    assert central.asked == [CLIENTS.coordinate]


def test_cache_that_was_copied_is_checked_and_not_fetched(fill: Callable[[], list[Path]], central: FakeCentral) -> None:
    """New modification times alone cost a look at the sums, no download."""
    for path in fill():
        os.utime(path, ns=(1, 1))
    central.asked.clear()
    fill()
    assert central.asked == []


def test_two_starts_at_once_fetch_each_jar_once(fill: Callable[[], list[Path]], central: FakeCentral) -> None:
    """The second start waits for the first, and takes what it fetched."""
    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(fill) for _ in range(2))
    assert first.result() == second.result()
    assert sorted(central.asked) == sorted(CONTENT)


def test_leftovers_of_a_start_that_was_killed_are_removed(tmp_path: Path, fill: Callable[[], list[Path]]) -> None:
    """Half a download is neither used nor kept."""
    leftover = tmp_path / "kafka-4.3.1" / "fetch-dead"
    leftover.mkdir(parents=True)
    fill()
    assert not leftover.exists()


def test_cache_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path, central: FakeCentral) -> None:
    """A file where the cache's folder should be is told with its path."""
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(ConfigError, match=str(blocked)):
        kafka_jars(cache_dir=blocked, say=silent, lock=LOCK, fetch=central)


def test_cache_is_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME counts if it is absolute; ~/.cache is the default."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert default_cache_dir() == tmp_path / "caches" / "finance-sentiment-monitor"
    for unusable in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert default_cache_dir() == tmp_path / ".cache" / "finance-sentiment-monitor"

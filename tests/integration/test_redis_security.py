"""A real Valkey with users and TLS: the rights that are documented suffice, what is wrong is named, no secret is shown."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from monitor.adapters import redis_connection
from monitor.adapters.redis_connection import Client
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.adapters.redis_trends import RedisTrends
from monitor.embedded.ports import LOOPBACK
from monitor.embedded.valkey import EmbeddedValkey
from monitor.errors import ConfigError
from monitor.messages import ApplyResult, Bucket, Cell, Evidence, PartitionUpdate, StoryClaim, StoryRecord
from monitor.settings import RedisSettings, TrendSettings, load_settings, settings_toml
from tests.clusters.certificates import KEY_PASSWORD, Certificates, make_certificates
from tests.clusters.tls_proxy import TlsProxy
from tests.clusters.valkey_cluster import ValkeyCluster
from tests.fakes import ManualClock
from tests.waiting import eventually

# As in the documentation, for the key_prefix `sentiment`.
WORKER_RIGHTS = (
    "~sentiment:* -@all +ping +client|setinfo +evalsha +eval +sadd +hget +hmget +hset +hsetnx +hincrby "
    "+zadd +zrange +zrem +zremrangebyrank +expire +exists +get +mget +set +del"
)
EXPORTER_RIGHTS = "%R~sentiment:* -@all +ping +client|setinfo +smembers +hmget +hgetall +zrange +zrangebyscore"
CLUSTER_RIGHTS = " +command +cluster|slots +asking"
SECRET = "p4ss-w0rd"  # noqa: S105 - of a server that lives as long as its test
NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00Z
CELL, OIL = Cell("all", "all", "news", "documents"), ("topic", "Energy / Oil")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What servers and clients show each other."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """A Valkey that these tests may make users on."""
    with EmbeddedValkey(tmp_path_factory.mktemp("secured-valkey"), lambda line: None) as server:
        yield server


@pytest.fixture
def admin(server: EmbeddedValkey) -> Iterator[redis.Redis]:
    """Its administrator; the server is empty."""
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        client.script_flush()
        yield client


def allow(admin: redis.Redis, user: str, rights: str) -> None:
    """Makes a user anew."""
    admin.execute_command("ACL SETUSER", user, "reset", "on", f">{SECRET}", *rights.split())  # type: ignore[no-untyped-call]


def settings_of(server: EmbeddedValkey, user: str, password: str = SECRET) -> RedisSettings:
    """Settings of a user."""
    return RedisSettings.model_validate(
        {"url": f"redis://{user}:{password}@{LOOPBACK}:{server.port}/0", "connect_timeout_seconds": 1}
    )


def work(settings: RedisSettings) -> None:
    """All that a worker asks of Redis, from its start on."""
    with redis_connection.connect(settings) as client:
        redis_connection.wait_until_reachable(client, settings, ManualClock())
        _work(client)


def _work(client: Client) -> None:
    trends, memory = RedisTrends(client, "sentiment", TrendSettings()), RedisStoryMemory(client, "sentiment", 3600)
    epoch = trends.assign(0, 0).epoch
    trends.check()
    claims = [
        StoryClaim("a", "0:1", "a", StoryRecord("a", 1, b"\0\0\0\0"), ("0:x",), ("",)),
        StoryClaim("b", "0:2", "a"),
    ]
    memory.look_up(["a"], ["0:x"])
    assert memory.remember(claims, {0: epoch})[1] is not None
    assert memory.known_stories(["a"]) == {"a"}
    memory.forget(claims, {0: epoch})
    assert memory.look_up(["a", "b"], []) == ([None, None], [])
    for begin in range(3):
        evidence = ((OIL, Evidence(f"{begin}", "A", "Wire", "", "news", NOON_MS, 0.9)),)
        counts = {Bucket(seconds, NOON_MS): {CELL: 1} for seconds in (60, 3600)}
        update = PartitionUpdate(0, epoch, begin, begin + 1, counts, evidence, ((NOON_MS, "a"),), 1)
        assert trends.apply(update).result is ApplyResult.APPLIED
    assert trends.skip_to(0, epoch, 5).result is ApplyResult.APPLIED


def read(settings: RedisSettings) -> None:
    """All that an exporter asks of Redis, from its start on."""
    with redis_connection.connect(settings) as client:
        redis_connection.wait_until_reachable(client, settings, ManualClock())
        reader = RedisTrends(client, "sentiment", TrendSettings())
        reader.check()
        assert [state.position for state in reader.partitions()] == [5]
        assert {part.counts[CELL] for part in reader.changed_since(0, -1)} == {3}
        assert len(reader.stories(OIL, NOON_MS, NOON_MS + 1, 5)) == 3


def test_the_rights_that_are_documented_suffice(server: EmbeddedValkey, admin: redis.Redis) -> None:
    """For a worker and for an exporter that may only read; nothing that either does is refused."""
    admin.execute_command("ACL LOG", "RESET")  # type: ignore[no-untyped-call]
    allow(admin, "worker", WORKER_RIGHTS)
    allow(admin, "exporter", EXPORTER_RIGHTS)
    work(settings_of(server, "worker"))
    read(settings_of(server, "exporter"))
    assert admin.execute_command("ACL LOG") == []  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("right", [word for word in WORKER_RIGHTS.split() if word[0] == "+" and "setinfo" not in word])
def test_a_worker_without_one_of_its_rights_is_told_so_before_it_counts(
    server: EmbeddedValkey, admin: redis.Redis, right: str
) -> None:
    """Each is needed; and what a script may not do shows before its first batch, not in the middle of one."""
    allow(admin, "worker", WORKER_RIGHTS.replace(f" {right} ", " ").removesuffix(f" {right}"))
    with pytest.raises(ConfigError, match=rf"redis\.url: its user may not .*{right[1:]}") as caught:
        work(settings_of(server, "worker"))
    assert caught.value.reason == "redis_auth"
    assert "user worker" not in str(caught.value).lower(), "the user's name is nobody's business"
    assert not admin.keys("sentiment:{0}:b:*")
    assert admin.hget("sentiment:{0}:state", "position") in (None, b"0")


def test_a_user_of_other_keys_is_told_so(server: EmbeddedValkey, admin: redis.Redis) -> None:
    """The prefix of the data set must be the one that the user was given."""
    allow(admin, "worker", WORKER_RIGHTS.replace("sentiment", "other"))
    with pytest.raises(ConfigError, match=r"redis\.url: its user may not .*key"):
        work(settings_of(server, "worker"))


@pytest.mark.parametrize("user", ["worker", "nobody"])
def test_a_user_who_is_not_let_in_is_told_so_without_the_password(
    server: EmbeddedValkey, admin: redis.Redis, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the log nor in the error, whatever the level."""
    caplog.set_level(logging.DEBUG)
    allow(admin, "worker", WORKER_RIGHTS)
    with pytest.raises(ConfigError, match=r"redis\.url: the server refuses") as caught:
        work(settings_of(server, user, f"wrong-{SECRET}"))
    assert SECRET not in caplog.text + "".join(traceback.format_exception(caught.value))


def test_a_password_that_is_right_is_not_logged_either(
    server: EmbeddedValkey, admin: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The library logs commands at DEBUG."""
    caplog.set_level(logging.DEBUG)
    allow(admin, "worker", WORKER_RIGHTS)
    work(settings_of(server, "worker"))
    assert SECRET not in caplog.text


def encrypted(port: int, certificates: Certificates, **keys: object) -> RedisSettings:
    """Settings for a TLS port."""
    section: Mapping[str, object] = {
        "url": f"rediss://{LOOPBACK}:{port}/0",
        "ssl_cafile": certificates.cafile,
        "connect_timeout_seconds": 1,
    }
    return RedisSettings.model_validate({**section, **keys})


@pytest.mark.usefixtures("admin")
def test_trends_go_over_tls(server: EmbeddedValkey, certificates: Certificates) -> None:
    """To a server whose certificate is of our authority, and under its name, or the name unchecked."""
    with TlsProxy(server.port, certificates) as proxy:
        work(encrypted(proxy.port, certificates))
        read(encrypted(proxy.port, certificates, url=f"rediss://localhost:{proxy.port}/0", ssl_check_hostname=False))


@pytest.mark.usefixtures("admin")
def test_a_client_shows_its_certificate(server: EmbeddedValkey, certificates: Certificates) -> None:
    """Where the server wants one; without one it is turned away."""
    with TlsProxy(server.port, certificates, wants_certificate=True) as proxy:
        own = {"ssl_certfile": certificates.certfile, "ssl_keyfile": certificates.keyfile}
        work(encrypted(proxy.port, certificates, ssl_keyfile_password=KEY_PASSWORD, **own))
        with pytest.raises(ConfigError, match=r"can't be reached"):
            work(encrypted(proxy.port, certificates))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"ssl_cafile": "{foreign_cafile}"}, "its certificate is not accepted"),
        ({"ssl_cafile": None}, "its certificate is not accepted"),
        ({"url": "rediss://:{secret}@localhost:{port}/0"}, "its certificate is not accepted: Hostname mismatch"),
        ({"ssl_cafile": "{foreign_cafile}", "cluster": True}, "its certificate is not accepted"),
    ],
    ids=["another authority", "the system's authorities", "another name", "another authority, cluster"],
)
def test_a_certificate_that_is_not_accepted_is_named_at_once(
    server: EmbeddedValkey, certificates: Certificates, keys: dict[str, object], said: str
) -> None:
    """ConfigError with the setting to look at, without the tries that an outage gets, and without the password."""
    with TlsProxy(server.port, certificates) as proxy:
        filled = {
            key: value.format(foreign_cafile=certificates.foreign_cafile, port=proxy.port, secret=SECRET)
            if isinstance(value, str)
            else value
            for key, value in keys.items()
        }
        settings = encrypted(proxy.port, certificates, connect_timeout_seconds=600, **filled)
        clock = ManualClock()
        before = clock.monotonic_seconds()
        with redis_connection.connect(settings) as client, pytest.raises(ConfigError, match=said) as caught:
            redis_connection.wait_until_reachable(client, settings, clock)
        assert clock.monotonic_seconds() - before < 60
        assert caught.value.reason == "redis_tls"
        assert "redis.ssl_cafile" in str(caught.value)
        assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_cluster_takes_users_and_tls_too(tmp_path: Path, certificates: Certificates) -> None:
    """With the rights that are documented for it; the nodes announce their encrypted ports."""
    with ExitStack() as stack:
        cluster = stack.enter_context(ValkeyCluster(tmp_path, replicas=0))
        proxies = [stack.enter_context(TlsProxy(node.port, certificates)) for node in cluster.nodes]
        for node, proxy in zip(cluster.nodes, proxies, strict=True):
            for user, rights in (("worker", WORKER_RIGHTS), ("exporter", EXPORTER_RIGHTS)):
                node.ask("ACL SETUSER", user, "reset", "on", f">{SECRET}", *(rights + CLUSTER_RIGHTS).split())
            node.ask("ACL LOG", "RESET")
            node.ask("CONFIG SET", "cluster-announce-port", proxy.port)
        ports = {proxy.port for proxy in proxies}
        eventually(lambda: all(set(node.view()) == ports for node in cluster.nodes), "all announce their new ports")
        for user, step in (("worker", work), ("exporter", read)):
            address = f"rediss://{user}:{SECRET}@{LOOPBACK}:{proxies[0].port}"
            step(encrypted(0, certificates, url=address, cluster=True))
        assert [node.ask("ACL LOG") for node in cluster.nodes] == [[], [], []]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["redis.ssl_cafile=ca.pem"], "set url to rediss://"),
        ([f"redis.url=rediss://:{SECRET}@a:1", "redis.ssl_keyfile=client.key"], "ssl_certfile, which is missing"),
        (["redis.ssl_keyfile_password=" + SECRET], "ssl_certfile, which is missing"),
        (["kafka.ssl_cafile=ca.pem"], "set security_protocol to SSL or SASL_SSL"),
        (["kafka.security_protocol=SASL_SSL", f"kafka.sasl_password={SECRET}"], "needs sasl_mechanism"),
        (["kafka.sasl_mechanism=PLAIN", f"kafka.sasl_password={SECRET}"], "PLAINTEXT uses none"),
    ],
    ids=["no TLS", "a key alone", "its password alone", "Kafka without TLS", "half a user", "a user for nobody"],
)
def test_settings_of_security_must_fit_each_other(flags: list[str], said: str) -> None:
    """Said by section and flag; no secret in the error or in what lies behind it."""
    with pytest.raises(ConfigError, match=said) as caught:
        load_settings(None, flags, {})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_the_password_of_a_key_is_masked() -> None:
    """When settings are printed."""
    flags = ["redis.url=rediss://a:1", "redis.ssl_certfile=c.pem", f"redis.ssl_keyfile_password={SECRET}"]
    settings = load_settings(None, flags, {})
    assert SECRET not in settings_toml(settings) + repr(settings)

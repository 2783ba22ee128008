"""The embedded broker's settings and the file that carries them."""

from __future__ import annotations

import pytest

from monitor.embedded.kafka_config import properties_text, server_properties


def test_broker_listens_on_loopback_alone() -> None:
    """Neither listener nor what clients are told names another address."""
    settings = server_properties((1234, 5678), {})
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:1234,CONTROLLER://127.0.0.1:5678"
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:1234"
    assert settings["controller.quorum.voters"] == "1@127.0.0.1:5678"


def test_extra_settings_win() -> None:
    """What the caller sets replaces or joins ours."""
    settings = server_properties((1, 2), {"message.max.bytes": 2_000_000, "auto.create.topics.enable": "true"})
    assert settings["message.max.bytes"] == "2000000"
    assert settings["auto.create.topics.enable"] == "true"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("a=b:c #d", "a=b:c #d"),
        (" leading", "\\ leading"),
        ("back\\slash", "back\\\\slash"),
        ("two\nlines", "two\\nlines"),
        ("数据", "\\u6570\\u636e"),
        ("\N{BAR CHART}", "\\ud83d\\udcca"),
    ],
)
def test_values_are_escaped_as_java_reads_them(value: str, written: str) -> None:
    """Java reads the file as Latin-1, with backslash escapes in UTF-16 units."""
    assert properties_text({"key": value}) == f"key={written}\n"


def test_keys_are_escaped_where_java_would_end_them() -> None:
    """A key ends at the first bare space, colon or equals sign."""
    assert properties_text({"a b:c=d": "v"}) == "a\\ b\\:c\\=d=v\n"

"""How settings are given: a file for what stays, the environment for what differs, flags for this one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.cli import main
from monitor.errors import ConfigError
from monitor.settings import load_settings, settings_toml


def test_a_flag_beats_the_environment_and_that_beats_the_file(tmp_path: Path) -> None:
    """Every key of every section can be set in each of the three."""
    path = tmp_path / "monitor.toml"
    path.write_text('[kafka]\nbootstrap_servers = "kafka:9092"\npartitions = 8\n[spikes]\non_score = 5.0\n')
    settings = load_settings(path, flags=["spikes.on_score=3.5"], environment={"MONITOR_KAFKA__PARTITIONS": "16"})
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert (settings.kafka.partitions, settings.spikes.on_score) == (16, 3.5)


def test_a_typing_error_stops_at_start_up() -> None:
    """With the names that would have been right."""
    with pytest.raises(ConfigError, match=r"environment MONITOR_REDIS__URI: no key redis\.uri; keys: url, key_prefix"):
        load_settings(environment={"MONITOR_REDIS__URI": "redis://cache:6379/0"})


def test_a_replay_gets_a_data_set_of_its_own() -> None:
    """Another topic and another key prefix: the same workers and exporters, and what is live stays as it is."""
    replay = load_settings(flags=["kafka.raw_topic=replay.2020", "redis.key_prefix=replay-2020"], environment={})
    live = load_settings(environment={})
    assert (replay.kafka.raw_topic, replay.redis.key_prefix) == ("replay.2020", "replay-2020")
    assert replay.spikes == live.spikes


def test_the_settings_in_force_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """As a file to start from, each key with its meaning, secrets masked."""
    assert main(["config", "show", "--set", "redis.url=redis://:hunter2@cache:6379/0", "--set", "worker.port=0"]) == 0
    printed = capsys.readouterr().out
    assert 'url = "redis://********@cache:6379/0"' in printed
    assert "# Port of the same; 0 chooses a free one.\nport = 0\n" in printed
    assert "hunter2" not in printed
    assert settings_toml(load_settings(environment={})).splitlines()[0] == "[kafka]"

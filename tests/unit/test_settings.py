"""Laws of the settings: which source wins, what is refused and how, and what is printed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.setting_sections import CertificateSettings
from monitor.settings import KafkaSettings, RedisSettings, Settings, load_settings, settings_toml

BAD_FILES = sorted((Path(__file__).parents[1] / "fixtures" / "config").glob("*.toml"))
HIDDEN = "hunter2-correct-horse"


def written(folder: Path, text: str) -> Path:
    """A settings file."""
    path = folder / "monitor.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(config: Path | None = None, flags: tuple[str, ...] = (), environment: dict[str, str] | None = None) -> str:
    """What is said of settings that are wrong."""
    with pytest.raises(ConfigError) as caught:
        load_settings(config, flags, environment or {})
    return str(caught.value)


def test_flags_beat_environment_beats_file_beats_defaults(tmp_path: Path) -> None:
    """Each source wins over the ones below it, key by key."""
    assert load_settings(environment={}).kafka.partitions == 4
    path = written(tmp_path, "[kafka]\npartitions = 5\nreplication_factor = 2\ncreate_topics = false\n")
    environment = {"MONITOR_KAFKA__PARTITIONS": "6", "MONITOR_KAFKA__REPLICATION_FACTOR": "3"}
    kafka = load_settings(path, ["kafka.partitions=7"], environment).kafka
    assert (kafka.partitions, kafka.replication_factor, kafka.create_topics) == (7, 3, False)
    assert load_settings(path, environment={}).kafka.partitions == 5


def test_the_file_can_be_named_in_the_environment_and_a_flag_beats_that(tmp_path: Path) -> None:
    """MONITOR_CONFIG, then --config."""
    (tmp_path / "other").mkdir()
    named = written(tmp_path / "other", "[worker]\nport = 1111\n")
    given_file = written(tmp_path, "[worker]\nport = 2222\n")
    assert load_settings(environment={"MONITOR_CONFIG": str(named)}).worker.port == 1111
    assert load_settings(given_file, environment={"MONITOR_CONFIG": str(named)}).worker.port == 2222


def test_of_two_flags_for_a_key_the_last_counts() -> None:
    """As on any command line."""
    assert load_settings(None, ["worker.port=1", "worker.port=2"], {}).worker.port == 2


@pytest.mark.parametrize("path", BAD_FILES, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_where_and_what(path: Path) -> None:
    """Each file breaks one rule and says in its first line what must be said of it."""
    expected = path.read_bytes().split(b"\n")[0].decode().removeprefix("# expected: ")
    message = refused(path)
    assert expected in message
    assert path.name in message


def test_a_missing_file_is_no_silence(tmp_path: Path) -> None:
    """Nor is a folder."""
    assert "missing.toml: no settings file" in refused(tmp_path / "missing.toml")
    assert "missing.toml" in refused(environment={"MONITOR_CONFIG": str(tmp_path / "missing.toml")})
    assert "no settings file" in refused(tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MONITOR_KAFAK__PARTITIONS", "no section 'kafak'; sections: kafka, redis"),
        ("MONITOR_KAFKA__PARTITION", "no key kafka.partition; keys: bootstrap_servers"),
        ("MONITOR_KAFKA_PARTITIONS", "expected MONITOR_<SECTION>__<KEY>"),
        ("MONITOR_WORKER__PORT", "worker.port: Input should be a valid integer"),
    ],
)
def test_a_misspelt_or_wrong_variable_is_named(name: str, expected: str) -> None:
    """Not ignored: a worker on the wrong topic is worse than one that doesn't start."""
    message = refused(environment={name: "x"})
    assert expected in message
    assert f"environment {name}" in message


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("kafak.partitions=4", "no section 'kafak'"),
        ("kafka.partition=4", "no key kafka.partition"),
        ("partitions=4", "--set partitions: expected section.key=value"),
        ("kafka.partitions", "--set kafka.partitions: expected section.key=value"),
        ("kafka.partitions=0", "--set kafka.partitions: kafka.partitions: Input should be greater than or equal to 1"),
    ],
)
def test_a_misspelt_or_wrong_flag_is_named(flag: str, expected: str) -> None:
    """With what is allowed."""
    assert expected in refused(flags=(flag,))


def test_an_error_says_what_the_key_means() -> None:
    """And every key has something to say."""
    assert "Meaning: Partitions of topics it creates; more allow more workers." in refused(
        flags=("kafka.partitions=0",)
    )
    for _, section in Settings():
        assert all(field.description for field in type(section).model_fields.values())


def test_all_errors_are_told_at_once() -> None:
    """Not one a start."""
    message = refused(flags=("worker.port=-1", "exporter.port=-1"))
    assert len(message.splitlines()) == 2


def test_lists_come_as_comma_separated_text() -> None:
    """In the environment and in flags."""
    environment = {"MONITOR_TRENDS__WINDOWS_HOURS": "1, 12,"}
    settings = load_settings(None, ["spikes.dimensions=topic,all"], environment)
    assert settings.trends.windows_hours == (1.0, 12.0)
    assert settings.spikes.dimensions == ("topic", "all")


@pytest.mark.parametrize(
    "key",
    ["classifier.model", "classifier.topic_checkpoint", "classifier.label_aliases", "ingest.entities_file",
     "kafka.sasl_username"],
)  # fmt: skip
def test_an_empty_value_unsets_what_may_be_unset(key: str) -> None:
    """A container passes an unset variable on as an empty one."""
    section, name = key.split(".")
    unset = getattr(getattr(Settings(), section), name)
    assert not unset
    assert getattr(getattr(load_settings(None, [f"{key}="], {}), section), name) == unset
    variable = f"MONITOR_{section}__{name}".upper()
    assert getattr(getattr(load_settings(environment={variable: ""}), section), name) == unset


@pytest.mark.parametrize(
    ("text", "models"),
    [
        ("/models/own", {"en": "/models/own"}),
        ("/runs/a=b,c=d/model", {"en": "/runs/a=b,c=d/model"}),
        ("zh=off", {"zh": "off"}),
        ("en=/models/own, zh=off,", {"en": "/models/own", "zh": "off"}),
        ('{ "zh" = "off", en = "/models/a=b" }', {"zh": "off", "en": "/models/a=b"}),
    ],
)
def test_models_are_given_by_language(text: str, models: dict[str, str], tmp_path: Path) -> None:
    """As text or as printed, in the environment and in flags; without a language, English; in a file as a table."""
    assert load_settings(None, [f"classifier.model={text}"], {}).classifier.model == models
    assert load_settings(environment={"MONITOR_CLASSIFIER__MODEL": text}).classifier.model == models
    table = "".join(f'{language} = "{folder}"\n' for language, folder in models.items())
    path = written(tmp_path, f"[classifier.model]\n{table}")
    assert load_settings(path, environment={}).classifier.model == models


def test_labels_get_their_meaning_from_pairs() -> None:
    """A label may name its checkpoint or its task."""
    text = "bullish=positive, a/b:LABEL_0=negative,topic:LABEL_3=Energy / Oil"
    aliases = {"bullish": "positive", "a/b:LABEL_0": "negative", "topic:LABEL_3": "Energy / Oil"}
    assert load_settings(None, [f"classifier.label_aliases={text}"], {}).classifier.label_aliases == aliases


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("classifier.model=zh=", "nothing is given for the language zh"),
        ("classifier.label_aliases=bullish", "expected label=meaning, not 'bullish'=''"),
        ("classifier.sentiment_checkpoint=a/b", "both needed for en"),
    ],
)
def test_a_table_that_says_nothing_is_refused(flag: str, expected: str) -> None:
    """With what is missing."""
    assert expected in refused(flags=(flag,))


def test_other_variables_are_left_alone() -> None:
    """Those of other programs, and the program's own that are no settings."""
    assert load_settings(environment={"PATH": "/bin", "MONITORING": "1", "MONITOR_JAVA": "/usr/bin/java"}) == Settings()


def test_settings_are_frozen() -> None:
    """What was checked stays what it is."""
    with pytest.raises(ValueError, match="frozen"):
        Settings().worker.port = 5  # type: ignore[misc]


FLAGS_WITH_SECRETS = (
    f"kafka.sasl_password={HIDDEN}",
    f"kafka.sasl_password=amqp://{HIDDEN}",
    f"redis.url=redis://user:{HIDDEN}@cache.example:6379/2",
    f"redis.url=redis://cache.example:6379/2?password={HIDDEN}",
    f"redis.url={HIDDEN}",
)


@pytest.mark.parametrize("flag", FLAGS_WITH_SECRETS)
def test_secrets_are_masked(flag: str) -> None:
    """When settings are printed, and when they are represented."""
    settings = load_settings(None, [flag], {})
    assert HIDDEN not in settings_toml(settings)
    assert HIDDEN not in repr(settings)
    assert "********" in settings_toml(settings)


def test_of_an_address_only_the_credentials_are_masked() -> None:
    """Where it points to is what one looks for."""
    settings = load_settings(None, [f"redis.url=redis://user:{HIDDEN}@cache.example:6379/2"], {})
    assert 'url = "redis://********@cache.example:6379/2"' in settings_toml(settings)
    assert 'url = "redis://127.0.0.1:6379/0"' in settings_toml(Settings())


@pytest.mark.parametrize("flag", [*FLAGS_WITH_SECRETS, f"redis.urll=redis://:{HIDDEN}@h", f"sasl_password={HIDDEN}",
                                  f"kafkas.sasl_password={HIDDEN}"])  # fmt: skip
def test_secrets_are_in_no_error(flag: str, tmp_path: Path) -> None:
    """Whatever else is wrong."""
    name, _, value = flag.partition("=")
    section, _, key = name.rpartition(".")
    variable = f"MONITOR_{section}__{key}".upper()
    path = written(tmp_path, f'[{section or "kafka"}]\n{key} = ["{value}"]\n')
    assert HIDDEN not in refused(flags=(flag, "worker.port=x"))
    assert HIDDEN not in refused(environment={variable: value, "MONITOR_WORKER__PORT": "x"})
    assert HIDDEN not in refused(path)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=3, max_size=20)


@given(
    bootstrap=names,
    topic=names,
    model=st.dictionaries(st.sampled_from(["en", "zh", "fr"]), names.filter(str.strip)),
    aliases=st.dictionaries(names.filter(str.strip), names.filter(str.strip)),
    windows=st.lists(st.floats(0.1, 50, allow_nan=False), min_size=1, max_size=4, unique=True),
    on_score=st.floats(2, 1e300),
    create=st.booleans(),
    retention=st.floats(50, 1e17),
)
def test_printed_settings_are_read_again_as_they_were(
    bootstrap: str,
    topic: str,
    model: dict[str, str],
    aliases: dict[str, str],
    windows: list[float],
    on_score: float,
    create: bool,
    retention: float,
) -> None:
    """Any text and number, so that `config show` can be kept as a file; what was set to nothing stays so."""
    given_settings = Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": bootstrap, "raw_topic": topic, "create_topics": create},
            "classifier": {"model": model, "label_aliases": aliases},
            "trends": {"windows_hours": windows, "fine_retention_hours": retention},
            "spikes": {"on_score": on_score, "dimensions": ["entity"]},
        }
    )
    assert reread(settings_toml(given_settings)) == given_settings


def reread(text: str) -> Settings:
    """Reads printed settings, by way of a file."""
    with tempfile.TemporaryDirectory() as folder:
        return load_settings(written(Path(folder), text), environment={})


def test_every_key_is_printed_with_its_meaning() -> None:
    """Also the ones that are not set."""
    text = settings_toml(Settings())
    for name, section in Settings():
        assert f"[{name}]" in text
        for key, field in type(section).model_fields.items():
            assert f"# {field.description}\n" in text
            assert f"\n{key} = " in text or f"\n# {key} is not set" in text


def test_certificates_are_the_same_keys_for_both_servers_and_stand_where_they_stood() -> None:
    """One class has them; files that `config show` wrote before keep their order."""
    keys = [
        "ssl_cafile",
        "ssl_certfile",
        "ssl_keyfile",
        "ssl_keyfile_password",
        "ssl_check_hostname",
    ]
    kafka, redis = (list(section.model_fields) for section in (KafkaSettings, RedisSettings))
    assert issubclass(KafkaSettings, CertificateSettings)
    assert issubclass(RedisSettings, CertificateSettings)
    assert kafka[-9:] == ["security_protocol", *keys, "sasl_mechanism", "sasl_username", "sasl_password"]
    assert redis == ["url", "key_prefix", "connect_timeout_seconds", "cluster", *keys]
    assert list(CertificateSettings.model_fields) == keys

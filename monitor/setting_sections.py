"""The settings, one frozen section per stage or adapter: every key with its meaning, unit and what raising it does."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from monitor.setting_tables import Aliases, ByLanguage


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,  # it may hold a secret; settings.py shows what is none
    )


class CertificateSettings(_Section):
    """Certificates of an encrypted connection. Of a section's base classes the last one's keys stand first."""

    encrypted_by: ClassVar[str]  # what to set for an encrypted connection

    ssl_cafile: str | None = Field(None, description="PEM file of the CAs that the server's certificate may come from.")
    ssl_certfile: str | None = Field(None, description="PEM file of the client's certificate, where servers want one.")
    ssl_keyfile: str | None = Field(None, description="PEM file of its key, if that is not in ssl_certfile.")
    ssl_keyfile_password: SecretStr | None = Field(None, description="Password of that key.")
    ssl_check_hostname: bool = Field(
        True, description="Whether the server's certificate must name the host that is dialled."
    )

    @property
    @abstractmethod
    def encrypted(self) -> bool:
        """Whether the connection is."""

    @model_validator(mode="after")
    def _certificate_fits(self) -> Self:
        if not self.encrypted and (self.ssl_cafile or self.ssl_certfile or self.ssl_keyfile):
            wanted = "ssl_cafile, ssl_certfile and ssl_keyfile are for encrypted connections"
            raise ValueError(f"{wanted}; set {self.encrypted_by}")
        if (self.ssl_keyfile or self.ssl_keyfile_password) and not self.ssl_certfile:
            raise ValueError("ssl_keyfile and ssl_keyfile_password are the key's of ssl_certfile, which is missing")
        return self


class _BrokerSettings(_Section):
    """The broker and the topics."""

    bootstrap_servers: str = Field(
        "127.0.0.1:9092", min_length=3, description="Brokers, host:port separated by commas."
    )
    raw_topic: str = Field("news.raw", min_length=1, description="Topic that documents are read from.")
    scored_topic: str = Field("news.scored", min_length=1, description="Topic for scored documents.")
    dead_topic: str = Field("news.dead", min_length=1, description="Topic for records that can't be read.")
    group_id: str = Field("sentiment-monitor", min_length=1, description="Consumer group of the workers.")
    create_topics: bool = Field(True, description="Whether a worker creates topics that are missing.")
    partitions: int = Field(4, ge=1, le=1024, description="Partitions of topics it creates; more allow more workers.")
    replication_factor: int = Field(1, ge=1, le=7, description="Replicas of topics it creates.")
    max_poll_records: int = Field(
        4096,
        ge=1,
        le=10_000,
        description="Records a poll, if the round has room for them; more takes fewer steps of the consumer's loop.",
    )
    max_fetch_bytes: int = Field(
        16_777_216,
        ge=65_536,
        le=1_073_741_824,
        description="Bytes that a worker fetches ahead from a broker; more is faster with many partitions, and takes memory.",
    )
    session_timeout_seconds: float = Field(
        10.0, ge=6, le=300, description="Silence after which the broker gives a worker's partitions away."
    )
    max_poll_interval_seconds: float = Field(
        300.0,
        ge=10,
        le=3600,
        description=(
            "Silence of a worker's loop after which it loses its partitions; with this long in one round or one turn, "
            "or in loading the models, /healthz calls it stuck."
        ),
    )
    connect_timeout_seconds: float = Field(
        30.0, gt=0, le=3600, description="How long start-up tries to reach a broker before it gives up."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the broker."
    )


class KafkaSettings(CertificateSettings, _BrokerSettings):
    """The broker and the topics, and who the client is."""

    encrypted_by = "security_protocol to SSL or SASL_SSL"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="SASL mechanism."
    )
    sasl_username: str | None = Field(None, description="SASL user.")
    sasl_password: SecretStr | None = Field(None, description="SASL password.")

    @property
    def encrypted(self) -> bool:
        """See CertificateSettings."""
        return self.security_protocol.endswith("SSL")

    @model_validator(mode="after")
    def _security_fits(self) -> KafkaSettings:
        if self.security_protocol.startswith("SASL"):
            if not (self.sasl_mechanism and self.sasl_username and self.sasl_password):
                raise ValueError(
                    f"{self.security_protocol} needs sasl_mechanism, sasl_username and sasl_password besides"
                )
        elif self.sasl_mechanism:
            raise ValueError(f"sasl_mechanism is given, but {self.security_protocol} uses none; set SASL_SSL")
        return self


class _StoreSettings(_Section):
    """The trend store."""

    url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description=(
            "redis:// or rediss:// (TLS) address, with user and password where the server wants them; of a cluster some "
            "nodes to start from, host:port separated by commas."
        ),
    )
    key_prefix: str = Field(
        "sentiment", pattern=r"^[a-z0-9_.-]{1,64}$", description="First part of each key; one per data set."
    )
    connect_timeout_seconds: float = Field(
        30.0, gt=0, le=3600, description="How long start-up tries to reach Redis before it gives up."
    )
    cluster: bool = Field(False, description="Whether the address is that of a Redis Cluster.")


class RedisSettings(CertificateSettings, _StoreSettings):
    """The trend store, and how it is reached."""

    encrypted_by = "url to rediss://"

    @property
    def encrypted(self) -> bool:
        """See CertificateSettings."""
        return self.url.get_secret_value().startswith("rediss://")


class IngestSettings(_Section):
    """Stage 1: bytes to documents."""

    max_message_bytes: int = Field(262_144, ge=1024, description="Longer messages are dead-lettered as `oversized`.")
    future_tolerance_seconds: float = Field(
        300.0, ge=0, description="How far a clock may run ahead before the time is clamped and counted."
    )
    story_horizon_hours: float = Field(
        72.0, ge=1 / 60, le=720, description="How long a story takes in reprints; longer joins more, and keeps more."
    )
    entities_file: Path | None = Field(None, description="CSV ticker,name,... in place of the bundled companies.")


class ClassifierSettings(_Section):
    """Stage 2: documents to scores."""

    model: ByLanguage = Field(
        {},
        description=(
            "Model folders by language: `off` for none, `shipped` for the one that is shipped; a language left out has the "
            "shipped one, unless that is switched off by default (start-up says so)."
        ),
    )
    sentiment_checkpoint: ByLanguage = Field(
        {}, description="Sequence classifiers (folder, or hub name[@revision]) by language, in place of its model."
    )
    topic_checkpoint: ByLanguage = Field({}, description="The same for topics; both are needed for a language.")
    label_aliases: Aliases = Field(
        {}, description="Labels of those checkpoints = ours; checkpoint:label or sentiment:label says of which alone."
    )
    sentiment_temperature: float | None = Field(
        None,
        gt=0,
        le=100,
        description=(
            "Divides the logits of sentiment_checkpoint, higher is less certain; unset: its calibration_temperature, or 1."
        ),
    )
    topic_temperature: float | None = Field(None, gt=0, le=100, description="The same for topic_checkpoint.")
    checkpoint_max_tokens: int = Field(
        128, ge=8, le=4096, description="Tokens of a text that those checkpoints read; more is slower."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the models run.")
    backend: Literal["auto", "torch", "onnx", "onnx_int8"] = Field(
        "auto",
        description=(
            "What runs models on a CPU: torch or ONNX Runtime in float32, or ONNX Runtime with 8-bit products, the fastest; "
            "auto takes that for model folders, ONNX Runtime in float32 for checkpoints, torch for what neither can run."
        ),
    )
    compile: bool = Field(
        True,
        description="On a GPU: torch.compile and CUDA graphs, faster passes for a longer start; no effect on a CPU.",
    )
    max_batch_tokens: int | None = Field(
        None,
        ge=128,
        le=1_048_576,
        description=(
            "Padded tokens a batch; more fills a GPU, takes memory, and leaves a CPU's cache. Unset: 512, on a GPU 32,768."
        ),
    )
    threads: int = Field(0, ge=0, le=256, description="CPU threads of the models; 0 leaves it to torch.")
    pin_threads: bool = Field(
        False, description="Whether ONNX Runtime's threads keep to a core each, for a machine that has no other work."
    )
    cache_entries: int = Field(
        20_000,
        ge=0,
        le=10_000_000,
        description=(
            "Scores remembered by what the model reads, for reprints; one is about 0.5 KiB, for each language. 0: none."
        ),
    )

    @model_validator(mode="after")
    def _one_model_a_language(self) -> ClassifierSettings:
        pairs = {*self.sentiment_checkpoint, *self.topic_checkpoint}
        for language in sorted(pairs):
            if language not in self.sentiment_checkpoint or language not in self.topic_checkpoint:
                raise ValueError(f"sentiment_checkpoint and topic_checkpoint are both needed for {language}")
        if both := sorted(pairs & self.model.keys()):
            raise ValueError(f"a model and checkpoints are both given for {', '.join(both)}")
        return self


class TrendSettings(_Section):
    """Stage 3: scores to rolling windows."""

    fine_bucket_seconds: int = Field(60, ge=10, le=3600, description="Bucket length for windows up to a day.")
    coarse_bucket_seconds: int = Field(3600, ge=600, le=86_400, description="Bucket length for baselines.")
    fine_retention_hours: float = Field(50.0, ge=2, description="How long fine buckets are kept; Redis memory.")
    coarse_retention_days: float = Field(35.0, ge=1, description="How long coarse buckets are kept; Redis memory.")
    windows_hours: tuple[float, ...] = Field(
        (1.0, 6.0, 24.0), min_length=1, description="Rolling windows that the exporter publishes."
    )
    evidence_per_bucket: int = Field(
        50, ge=3, le=1000, description="Most negative stories kept per subject and coarse bucket and partition."
    )

    @model_validator(mode="after")
    def _nested(self) -> TrendSettings:
        if self.coarse_bucket_seconds % self.fine_bucket_seconds:
            raise ValueError("coarse_bucket_seconds must be a multiple of fine_bucket_seconds")
        if min(self.windows_hours) <= 0 or len(set(self.windows_hours)) < len(self.windows_hours):
            raise ValueError("windows_hours must be above 0 and different from each other")
        if max(self.windows_hours) > self.fine_retention_hours:
            raise ValueError("the longest of windows_hours must not exceed fine_retention_hours")
        return self


class SpikeSettings(_Section):
    """Stage 4: windows to spikes."""

    window_minutes: int = Field(60, ge=5, le=1440, description="Window whose negative stories are judged.")
    timeline_hours: float = Field(48.0, ge=1, le=720, description="How far back the timeline and spikes reach.")
    history_days: float = Field(28.0, ge=1, description="How much past a baseline learns from.")
    guard_hours: float = Field(2.0, ge=0, description="The most recent past, kept out of the baseline.")
    min_history_hours: float = Field(
        24.0, ge=1, description="Past needed before anything is judged, besides guard_hours."
    )
    half_life_days: float = Field(7.0, gt=0, description="Age at which an hour counts half in the baseline.")
    on_score: float = Field(4.0, gt=0, description="Surprise of the count that starts a spike; higher is rarer.")
    off_score: float = Field(2.0, gt=0, description="Surprise below which a spike may end.")
    on_share_score: float = Field(2.5, description="Surprise of the share of negatives that starts a spike.")
    off_after_minutes: int = Field(15, ge=0, description="How long the score must stay low before a spike ends.")
    min_negative_stories: int = Field(6, ge=1, description="Fewer negative stories than this never start a spike.")
    dimensions: tuple[Literal["topic", "entity", "all"], ...] = Field(
        ("topic", "entity"), min_length=1, description="Which subjects are judged."
    )

    @model_validator(mode="after")
    def _hysteresis(self) -> SpikeSettings:
        if self.off_score > self.on_score:
            raise ValueError("off_score must not exceed on_score")
        return self


class WorkerSettings(_Section):
    """The worker process."""

    host: str = Field("127.0.0.1", description="Address that its /metrics, /healthz and /readyz listen on.")
    port: int = Field(9101, ge=0, le=65_535, description="Port of the same; 0 chooses a free one.")
    retry_limit_seconds: float = Field(
        3600.0, gt=0, description="How long a batch is retried before the worker stops and says so."
    )
    max_wait_ms: float = Field(
        10.0,
        ge=0,
        le=10_000,
        description="Longest wait for more records before a round goes to the model, if that is free; more fills batches.",
    )
    max_round_records: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description=(
            "Records a round, of which five at most are held; more is faster, later, takes memory, and takes longer to "
            "drain. Unset: 256, on a GPU 4,096."
        ),
    )
    max_round_bytes: int = Field(
        16_777_216,
        ge=1024,
        le=1_073_741_824,
        description=(
            "Bytes of keys and values a round, or one record that is larger; more keeps rounds of large records full, and "
            "takes memory."
        ),
    )
    drain_seconds: float = Field(
        20.0, gt=0, le=600, description="How long a worker that is told to stop works on; the rest is read again."
    )


class ExporterSettings(_Section):
    """The exporter process."""

    host: str = Field("127.0.0.1", description="Address that console, API and /metrics listen on.")
    port: int = Field(9102, ge=0, le=65_535, description="Port of the same; 0 chooses a free one.")
    refresh_seconds: float = Field(5.0, ge=0.2, le=300, description="How often Redis is read.")
    evidence_stories: int = Field(3, ge=1, le=3, description="Stories published per spike that is on.")


class LogSettings(_Section):
    """Logs, on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe level shown.")
    json_lines: bool = Field(False, description="One JSON object a line instead of text.")


class Settings(_Section):
    """All sections."""

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    ingest: IngestSettings = IngestSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    trends: TrendSettings = TrendSettings()
    spikes: SpikeSettings = SpikeSettings()
    worker: WorkerSettings = WorkerSettings()
    exporter: ExporterSettings = ExporterSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _spikes_fit_trends(self) -> Settings:
        window_seconds = self.spikes.window_minutes * 60
        if window_seconds % self.trends.fine_bucket_seconds:
            raise ValueError("spikes.window_minutes must be a multiple of trends.fine_bucket_seconds")
        if self.spikes.timeline_hours + window_seconds / 3600 > self.trends.fine_retention_hours:
            raise ValueError("spikes.timeline_hours and a window must fit into trends.fine_retention_hours")
        return self

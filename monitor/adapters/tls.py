"""TLS out of the settings of Kafka and Redis: each file is read at start-up, and what is wrong with one is said by its key.

Certificates are verified against `ssl_cafile`, or the system's CAs if there is none; not verifying isn't offered.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from monitor.errors import ConfigError
from monitor.setting_sections import CertificateSettings


def client_context(section: str, settings: CertificateSettings) -> ssl.SSLContext:
    """Returns the context that connections are made with.

    Args:
        section: "kafka" or "redis", for messages.
        settings: its settings.

    Raises:
        ConfigError: a file can't be read, is no PEM of its kind, doesn't fit the other, or its password is wrong.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = settings.ssl_check_hostname
    if settings.ssl_cafile:
        _readable(f"{section}.ssl_cafile", settings.ssl_cafile)
        try:
            context.load_verify_locations(settings.ssl_cafile)
        except ssl.SSLError as exc:
            raise ConfigError(
                f"{section}.ssl_cafile: {settings.ssl_cafile} has no certificate in PEM form ({_said(exc)})"
            ) from exc
    else:
        context.load_default_certs()
    if settings.ssl_certfile:
        _load_own(context, section, settings)
    return context


def key_password(settings: CertificateSettings) -> str | None:
    """Password of the client's key."""
    return settings.ssl_keyfile_password.get_secret_value() if settings.ssl_keyfile_password else None


def distrust(exc: BaseException | None) -> str:
    """Why a connection can't be made for TLS, from an error or those behind it; "" if it may well succeed later."""
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        if isinstance(exc, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {exc.verify_message}"
        # A server that goes away in the middle of a handshake is not one that wants something else.
        if isinstance(exc, ssl.SSLError) and not isinstance(exc, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return f"TLS failed: {_said(exc)}"
        inner = exc.args[0] if exc.args and isinstance(exc.args[0], BaseException) else None
        exc = exc.__cause__ or exc.__context__ or inner
    return ""


def _load_own(context: ssl.SSLContext, section: str, settings: CertificateSettings) -> None:
    assert settings.ssl_certfile is not None  # noqa: S101 - the caller has looked
    _readable(f"{section}.ssl_certfile", settings.ssl_certfile)
    keyfile = settings.ssl_keyfile or settings.ssl_certfile
    _readable(f"{section}.ssl_keyfile", keyfile)
    try:
        # A function, for without any password the library would ask for one at the terminal.
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile, lambda: key_password(settings) or "")
    except (ssl.SSLError, ValueError) as exc:
        raise ConfigError(
            f"{section}.ssl_certfile: {settings.ssl_certfile} and the key in {keyfile} can't be used together, or "
            f"{section}.ssl_keyfile_password is not the key's ({_said(exc)})"
        ) from exc


def _readable(key: str, path: str) -> None:
    try:
        Path(path).read_bytes()
    except OSError as exc:
        raise ConfigError(f"{key}: {path} can't be read ({exc.strerror})") from exc


def _said(exc: Exception) -> str:
    reason = getattr(exc, "reason", None)
    return str(reason or exc).replace("_", " ").lower()

"""TLS before a server that has none, such as the wheel's Valkey: takes encrypted connections and passes on what they say."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from monitor.embedded.ports import LOOPBACK, free_ports
from tests.clusters.certificates import Certificates

_CHUNK = 65_536


class TlsProxy:
    """One proxy; a context manager.

    Args:
        target: the port of 127.0.0.1 to pass on to.
        certificates: what it shows, and whose clients it takes.
        wants_certificate: whether clients must show one.

    Attributes:
        port: where it listens on 127.0.0.1.
    """

    def __init__(self, target: int, certificates: Certificates, *, wants_certificate: bool = False) -> None:
        (self.port,) = free_ports(1)
        self._target = target
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.server)
        self._context.load_verify_locations(certificates.cafile)
        self._context.verify_mode = ssl.CERT_REQUIRED if wants_certificate else ssl.CERT_NONE
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="tls-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(30), "the TLS proxy doesn't listen"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._pass_on, LOOPBACK, self.port, ssl=self._context)
        self._listening.set()
        await self._ended.wait()
        server.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Connections that are open when the proxy ends are cancelled, which is none of a test's errors.
        with suppress(OSError, asyncio.CancelledError):
            inner_reader, inner_writer = await asyncio.open_connection(LOOPBACK, self._target)
            try:
                await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
            finally:
                inner_writer.close()
        writer.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    # The other direction ends with this one.
    target.close()

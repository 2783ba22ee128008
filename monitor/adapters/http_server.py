"""Serves HTTP on one address, in a thread of its own; bound to loopback unless settings say otherwise.

Handlers are plain functions of the query; a MonitorError becomes a JSON answer with its status, never a stack trace.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from monitor.errors import ConfigError, InvalidMessageError, TransientError

log = logging.getLogger(__name__)

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class NotFoundError(InvalidMessageError):
    """What was asked for isn't there: 404."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A body that is no JSON, or a status other than 200."""

    body: bytes
    content_type: str
    status: int = 200


Query = Mapping[str, str]
Handler = Callable[[Query], Any]  # an Answer, or anything JSON


def status_answer(status: str, *, ok: bool, **more: object) -> Answer:
    """A role's status as JSON, with what else is to be said of it: 200, or 503 if it isn't ok."""
    body = json.dumps({"status": status, **more}, separators=(",", ":")).encode()
    return Answer(body, "application/json", 200 if ok else 503)


class HttpServer:
    """A server over fixed routes.

    Args:
        host: address to listen on.
        port: port to listen on; 0 chooses a free one.
        setting: name of the setting that gives the port, for the error message.
        routes: handlers by path; path parameters are merged into the query.

    Raises:
        ConfigError: the port is taken; names the setting.
    """

    def __init__(self, host: str, port: int, setting: str, routes: Mapping[str, Handler]) -> None:
        try:
            self._socket = socket.create_server((host, port), reuse_port=False)
        except OSError as exc:
            raise ConfigError(
                f"{setting}: can't listen on {host}:{port} ({exc.strerror or exc}); set another, or 0 to choose a free one",
                reason="port_taken",
            ) from exc
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{self.port}"  # noqa: S104 - compared, not bound
        app = Starlette(routes=[Route(path, _endpoint(handler), methods=["GET"]) for path, handler in routes.items()])
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name=f"http-{self.port}", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answers what was begun, then closes."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


def _endpoint(handler: Handler) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        try:
            return _response(handler({**request.query_params, **request.path_params}))
        except NotFoundError as exc:
            return JSONResponse({"error": str(exc)}, 404, _HEADERS)
        except InvalidMessageError as exc:
            return JSONResponse({"error": str(exc)}, 400, _HEADERS)
        except TransientError as exc:
            return JSONResponse({"error": str(exc)}, 503, _HEADERS)

    return endpoint


def _response(answer: Any) -> Response:
    if isinstance(answer, Answer):
        return Response(answer.body, answer.status, {**_HEADERS, "Content-Type": answer.content_type})
    return JSONResponse(answer, headers=_HEADERS)

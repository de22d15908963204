"""A web server on a real socket of this machine, which answers what a function says: the ground of every fake."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.waiting import until


@dataclass(frozen=True)
class Asked:
    """One request. `query` holds the last value of each name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What to answer: `body` as JSON, or bytes as they are. `cut` closes the connection in place of an answer."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    parts: Iterator[bytes] | None = None
    """a body of unknown length, written part by part, and then the connection is closed"""


@dataclass
class Local:
    """A running server: its address, what it was asked, and a flag that ends hanging answers."""

    address: str
    asked: list[Asked] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def hang(self) -> Reply:
        """Wait until the test is over, then close: the reply that never comes."""
        self.over.wait(600)
        return Reply(cut=True)

    def times(self, least: int) -> int:
        """How often it was asked, once that is so often: who gives up a hanging answer may be quicker than we."""
        until(lambda: len(self.asked) >= least)
        return len(self.asked)

    def paths(self) -> list[str]:
        return [f"{one.method} {one.path}" for one in self.asked]


@contextmanager
def serving(answer: Callable[[Asked], Reply]) -> Iterator[Local]:
    """A server whose every request `answer` answers, in a thread of its own for each connection."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.daemon_threads = True
    local = Local(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = _handler(local, answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield local
    finally:
        local.over.set()
        server.shutdown()
        server.server_close()


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now, self.waits = 0.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def _handler(local: Local, answer: Callable[[Asked], Reply]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            query = {
                name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()
            }
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, parts.path, query, self.headers, body)  # type: ignore[arg-type]
            local.asked.append(asked)
            self._write(answer(asked))

        def _write(self, reply: Reply) -> None:
            if reply.cut:
                self.close_connection = True
                return
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            headers = {"Content-Type": "application/json", **reply.headers}
            if reply.status == 204:
                content = b""
            if reply.parts is None:
                headers.setdefault("Content-Length", str(len(content)))
            self.send_response_only(reply.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            for part in [content] if reply.parts is None else reply.parts:
                self.wfile.write(part)
                self.wfile.flush()
            self.close_connection = self.close_connection or reply.parts is not None

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    return Handler

"""A real HTTP server in front of another one, which fails on cue."""

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

Act = Callable[["_Handler"], None]


@dataclass
class Fault:
    """What to do with the next `times` requests of a method whose target holds `part`."""

    method: str
    act: Act
    part: str = ""
    times: int = 1

    def fits(self, method: str, target: str) -> bool:
        return self.times > 0 and self.method == method and self.part in target


def error(status: int, code: str) -> Act:
    """Answer with an error, without asking the real server."""
    body = f"<Error><Code>{code}</Code><Message>on cue</Message></Error>".encode()
    return lambda handler: handler.answer(status, {"Content-Type": "application/xml"}, body)


def hang_up(handler: "_Handler") -> None:
    """Close the connection before anything was done."""
    handler.close_connection = True


def lose_answer(handler: "_Handler") -> None:
    """Let it be done, and close the connection instead of answering."""
    handler.ask()
    handler.close_connection = True


def cut_body(handler: "_Handler") -> None:
    """Announce the whole body and send half of it."""
    status, headers, body = handler.ask()
    handler.answer(status, headers, body[: len(body) // 2], announced=len(body))
    handler.close_connection = True


def drop_header(name: str) -> Act:
    """Let the real server not see a header, as stores do that ignore conditions."""

    def act(handler: "_Handler") -> None:
        del handler.headers[name]
        handler.answer(*handler.ask())

    return act


class FaultProxy:
    """Listens on 127.0.0.1; `faults` are used up in order, everything else passes."""

    def __init__(self, upstream: str) -> None:
        self.faults: list[Fault] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"proxy": self, "upstream": urlsplit(upstream).netloc})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def on(self, method: str, act: Act, *, part: str = "", times: int = 1) -> None:
        self.faults.append(Fault(method, act, part, times))

    def count(self, method: str, part: str = "") -> int:
        return sum(1 for m, target, _ in self.seen if m == method and part in target)

    def fault(self, method: str, target: str, headers: dict[str, str]) -> Act | None:
        with self._lock:
            self.seen.append((method, target, headers))
            for fault in self.faults:
                if fault.fits(method, target):
                    fault.times -= 1
                    return fault.act
        return None

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultProxy
    upstream: str

    def _serve(self) -> None:
        if self.headers.get("Expect", "").lower() == "100-continue":
            del self.headers["Expect"]  # answered by the base class already
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        act = self.proxy.fault(self.command, self.path, dict(self.headers.items()))
        if act:
            act(self)
        else:
            self.answer(*self.ask())

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve

    def ask(self) -> tuple[int, dict[str, str], bytes]:
        """Pass the request on."""
        connection = http.client.HTTPConnection(self.upstream)
        try:
            connection.request(self.command, self.path, self.body, dict(self.headers.items()))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def answer(
        self, status: int, headers: dict[str, str], body: bytes, *, announced: int | None = None
    ) -> None:
        self.send_response_only(status)
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", length or str(len(body) if announced is None else announced))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class's name
        """The seal of the suite is silent."""

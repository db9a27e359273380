"""A Git host on 127.0.0.1 that knows requests and comments, in the words of GitHub and of GitLab.

It keeps what it was sent, pages as the real ones do, and fails on cue: `faults` is a list of statuses
(or "lost": done, but the answer never comes) that the next requests get, one each.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-secret-token"
PROJECT = "lab/data"


@dataclass
class FakeHost:
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    seen: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and token of every request."""
    faults: list[tuple[str, int | str]] = field(default_factory=list)
    """A method and what becomes of its next request."""
    redirect: str | None = None
    next_page: str | None = None
    """What every page says follows it."""
    login: dict[str, Any] | None = None
    may_open: bool = True
    on_list: Any = None
    """Called after a page of requests was put together."""

    def add(self, head: str, sha: str, *, base: str = "main", fork: bool = False) -> dict[str, Any]:
        number = len(self.requests) + 1
        source = "stranger/data" if fork else PROJECT
        item = {
            "number": number,
            "iid": number,
            "state": "open",
            "title": "",
            "body": "",
            "head": {"ref": head, "sha": sha, "repo": {"full_name": source}},
            "base": {"ref": base, "repo": {"full_name": PROJECT}},
            "sha": sha,
            "source_branch": head,
            "target_branch": base,
            "source_project_id": 2 if fork else 1,
            "target_project_id": 1,
            "html_url": f"https://host.example/{PROJECT}/pull/{number}",
            "web_url": f"https://host.example/{PROJECT}/-/merge_requests/{number}",
        }
        self.requests.append(item)
        return item

    def say(self, body: str, *, by: str, kind: str = "User", number: int = 1) -> dict[str, Any]:
        item = {
            "id": 100 + len(self.comments),
            "on": number,
            "body": body,
            "user": {"login": by, "type": kind},
            "author": {"id": by},
            "html_url": f"https://host.example/comment/{100 + len(self.comments)}",
        }
        self.comments.append(item)
        return item


class _Handler(BaseHTTPRequestHandler):
    host: FakeHost

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.handle_any()

    do_POST = do_PATCH = do_PUT = do_GET

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        token = self.headers.get("PRIVATE-TOKEN") or (self.headers.get("Authorization") or "")[7:] or None
        self.host.seen.append((self.command, self.path, token))
        if self.host.redirect:
            self.answer(302, {}, {"Location": self.host.redirect})
            return
        fault = self.fault()
        if isinstance(fault, int):
            self.answer(fault, {"message": f"fault {fault}"})
            return
        if token != TOKEN:
            self.answer(401, {"message": "Bad credentials"})
            return
        status, value, headers = self.route(body)
        if fault == "lost":
            self.close_connection = True
            return
        self.answer(status, value, headers)

    def fault(self) -> int | str | None:
        if self.host.faults and self.host.faults[0][0] == self.command:
            return self.host.faults.pop(0)[1]
        return None

    def answer(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def route(self, body: dict[str, Any]) -> tuple[int, object, dict[str, str]]:
        split = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(split.query).items()}
        path = split.path.removeprefix("/api")
        if path == "/user":
            return (200, self.host.login, {}) if self.host.login else (403, {"message": "not for you"}, {})
        found = re.fullmatch(r"/(?:repos/lab/data/pulls|projects/lab%2Fdata/merge_requests)(/\d+)?", path)
        if found:
            return self.pulls(found[1], body, query)
        found = re.fullmatch(
            r"/(?:repos/lab/data/issues|projects/lab%2Fdata/merge_requests)/(\d+|comments)/"
            r"(?:comments|notes|(\d+))(?:/(\d+))?", path
        )  # fmt: skip
        if found:
            return self.notes(found[1], found[2] or found[3], body, query)
        return 404, {"message": "Not Found"}, {}

    def pulls(
        self, one: str | None, body: dict[str, Any], query: dict[str, str]
    ) -> tuple[int, object, dict[str, str]]:
        if self.command == "GET":
            return self.page(
                [r for r in self.host.requests if r["state"] == "open"], query, self.host.on_list
            )
        if one:
            item = self.host.requests[int(one[1:]) - 1]
            item.update(title=body["title"], body=body.get("body", body.get("description")))
            return 200, item, {}
        if not self.host.may_open:
            return 403, {"message": "GitHub Actions is not permitted to create pull requests."}, {}
        head = body.get("head") or body["source_branch"]
        base = body.get("base") or body["target_branch"]
        if any(
            r["state"] == "open"
            and r["head"]["ref"] == head
            and r["base"]["ref"] == base
            and r["source_project_id"] == 1
            for r in self.host.requests
        ):
            return 422, {"message": "Validation Failed", "errors": [{"message": "exists already"}]}, {}
        item = self.host.add(head, "f" * 40, base=base)
        item.update(title=body["title"], body=body.get("body", body.get("description")))
        return 201, item, {}

    def notes(
        self, on: str, one: str | None, body: dict[str, Any], query: dict[str, str]
    ) -> tuple[int, object, dict[str, str]]:
        if self.command == "GET":
            return self.page([c for c in self.host.comments if str(c["on"]) == on], query, None)
        if one:
            item = next(c for c in self.host.comments if c["id"] == int(one))
            item["body"] = body["body"]
            return 200, item, {}
        login = (self.host.login or {}).get("login") or (self.host.login or {}).get("id")
        item = self.host.say(body["body"], by=login or "github-actions[bot]", kind="User" if login else "Bot")
        item["on"] = int(on)
        return 201, item, {}

    def page(self, items: list[Any], query: dict[str, str], after: Any) -> tuple[int, object, dict[str, str]]:
        number, size = int(query.get("page", 1)), int(query.get("per_page", 30))
        part = items[(number - 1) * size : number * size]
        headers = {}
        if number * size < len(items) or self.host.next_page:
            following = re.sub(r"&page=\d+", "", self.path) + f"&page={number + 1}"
            target = self.host.next_page or f"{self.host.url.removesuffix('/api')}{following}"
            headers["Link"] = f'<{self.host.url}/first>; rel="first", <{target}>; rel="next"'
        if after:
            after(number)
        return 200, part, headers


@contextmanager
def fake_host() -> Iterator[FakeHost]:
    host = FakeHost()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"host": host}))
    host.url = f"http://127.0.0.1:{server.server_address[1]}/api"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def environment(host: FakeHost, kind: str, token: str = TOKEN) -> dict[str, str]:
    """What the runner of that host sets, and the token."""
    if kind == "github":
        return {"GITHUB_API_URL": host.url, "GITHUB_REPOSITORY": PROJECT, "GITHUB_TOKEN": token}
    return {"CI_API_V4_URL": host.url, "CI_PROJECT_ID": PROJECT, "GITLAB_TOKEN": token}

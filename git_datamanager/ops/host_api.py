"""Requests to the API of a Git host: JSON in, JSON out, and the token never to another place.

urllib would send the Authorization header along to wherever a redirect leads; here a redirect is
followed only where it stays with the same scheme, host and port, and only for reading.
"""

import http.client
import ipaddress
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

from git_datamanager.errors import (
    Conflict,
    DataError,
    Forbidden,
    NoCredentials,
    NotFound,
    SettingsError,
    Unreachable,
)

TIMEOUT = 30
PAGE = 100
_TRIES = 3
_MAX_ANSWER = 32 << 20
_MAX_PAGES = 2000
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')


class _Answer(NamedTuple):
    value: Any
    following: str | None
    """Where the next page is."""


@dataclass(frozen=True)
class Api:
    """One API, and how to introduce oneself there. Raises SettingsError for an address that is not
    https (http is for this machine alone) and for a token that cannot be one."""

    base: str
    headers: Mapping[str, str] = field(repr=False)

    def __post_init__(self) -> None:
        _check_base(self.base)
        if not all(value.isascii() and value.isprintable() for value in self.headers.values()):
            raise SettingsError("the token for the Git host holds signs that no token has: nothing was sent")

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        return self._read(self._url(path, query)).value

    def pages(self, path: str, query: Mapping[str, str]) -> Iterator[list[Any]]:
        """The pages of a list. Raises Unreachable where there is no end to them."""
        url: str | None = self._url(path, {**query, "per_page": str(PAGE)})
        for _ in range(_MAX_PAGES):
            if url is None:
                return
            answer = self._read(url)
            if not isinstance(answer.value, list):
                raise Unreachable(f"{self.base} answers with something else than a list")
            yield answer.value
            url = answer.following
        raise Unreachable(f"{self.base} has no end of pages for {path}")

    def send(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """Sent once: whoever gets Unreachable reads back what became of it."""
        return self._once(method, self._url(path, None), json.dumps(body).encode()).value

    def _url(self, path: str, query: Mapping[str, str] | None) -> str:
        return self.base.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")

    def _read(self, url: str) -> _Answer:
        for _ in range(_TRIES - 1):
            try:
                return self._once("GET", url, None)
            except Unreachable:
                continue
        return self._once("GET", url, None)

    def _once(self, method: str, url: str, body: bytes | None) -> _Answer:
        headers = {
            "User-Agent": "git-datamanager",
            "Accept": "application/json",
            **({"Content-Type": "application/json"} if body is not None else {}),
            **self.headers,
        }
        request = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310 - checked
        try:
            with _opener(url).open(request, timeout=TIMEOUT) as response:
                value = _parsed(response, self.base)
                return _Answer(value, self._following(response.headers.get("Link"), url))
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error, self.base) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise Unreachable(f"{self.base} does not answer: {reason}") from None

    def _following(self, link: str | None, url: str) -> str | None:
        match = _NEXT.search(link or "")
        if match is None:
            return None
        following = str(urljoin(url, match[1]))
        if _origin(following) != _origin(self.base):
            raise Forbidden(f"{self.base} sends us to another host for the next page: the token stays here")
        return following


def _check_base(base: str) -> None:
    split = urlsplit(base)
    if split.username or split.password or split.query or split.fragment:
        raise SettingsError("the address of the Git host's API holds more than an address: nothing was sent")
    if split.scheme == "https" and split.hostname:
        return
    if split.scheme != "http" or not _is_here(split.hostname or ""):
        raise SettingsError(
            f"the API of the Git host is {base!r}, not an https address: the token was not sent",
            hints=["echo $GITHUB_API_URL $CI_API_V4_URL   # the runner sets one of them"],
        )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _origin(url: str) -> tuple[str, str | None, int | None]:
    split = urlsplit(url)
    return split.scheme, split.hostname, split.port or {"https": 443, "http": 80}.get(split.scheme)


class _SameOrigin(urllib.request.HTTPRedirectHandler):
    """Follows GET to the same origin; anything else is an HTTPError that speaks of the redirect."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.get_method() != "GET" or _origin(newurl) != _origin(req.full_url):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Proxies as the environment says, but not to this machine."""
    near = [urllib.request.ProxyHandler({})] if _is_here(urlsplit(url).hostname or "") else []
    return urllib.request.build_opener(_SameOrigin, *near)


def _parsed(response: Any, base: str) -> Any:
    data = response.read(_MAX_ANSWER + 1)
    if len(data) > _MAX_ANSWER:
        raise Unreachable(f"{base} answers with more than {_MAX_ANSWER >> 20} MiB")
    try:
        return json.loads(data) if data else None
    except ValueError:
        raise Unreachable(f"{base} answers with something else than JSON") from None


def _refusal(error: urllib.error.HTTPError, base: str) -> DataError:
    said = _words(error)
    text = f"{base} answers {error.code}" + (f": {said}" if said else "")
    if error.code == 429 or error.code >= 500 or _is_rate_limit(error, said):
        return Unreachable(text)
    if 300 <= error.code < 400:
        return Forbidden(f"{base} redirects elsewhere: the token was not sent there")
    classes: dict[int, Callable[[str], DataError]] = {
        401: NoCredentials, 403: Forbidden, 404: NotFound, 409: Conflict, 422: Conflict
    }  # fmt: skip
    return classes.get(error.code, DataError)(text)


def _is_rate_limit(error: urllib.error.HTTPError, said: str) -> bool:
    exhausted = error.headers.get("X-RateLimit-Remaining") == "0"
    return error.code == 403 and (exhausted or "rate limit" in said.lower())


def _words(error: urllib.error.HTTPError) -> str:
    """What the host says in words, at most some of it."""
    try:
        value = json.loads(error.read(1 << 16))
    except (ValueError, OSError, http.client.HTTPException):
        return ""
    if not isinstance(value, dict):
        return ""
    parts = [value.get("message"), value.get("error"), *_details(value.get("errors"))]
    return "; ".join(" ".join(str(part).split()) for part in parts if part)[:300]


def _details(errors: Any) -> list[Any]:
    items = errors if isinstance(errors, list) else []
    return [item.get("message") if isinstance(item, dict) else item for item in items]

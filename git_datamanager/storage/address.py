"""The address of a store: a URL, checked before a name is resolved or a request is sent.

A URL may come from a tracked file, that is from whoever wrote the commit: everything odd is refused
(reliability.md S18, S21).
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlsplit

from git_datamanager.errors import SettingsError
from git_datamanager.storage.endpoint import check_endpoint
from git_datamanager.storage.keys import check_key

BUCKETS = {
    "s3": frozenset(("endpoint", "region", "path_style", "insecure")),
    "r2": frozenset(("endpoint", "region", "path_style", "insecure", "account")),
}
"""The schemes of buckets, and what may stand in their query."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", re.ASCII)
_MEMORY = re.compile(r"[\w.-]{1,80}", re.ASCII)
_SECRET = re.compile(r"secret|token|password|credential|access.?key|signature", re.IGNORECASE)
_SWITCH = {"1": True, "true": True, "0": False, "false": False}
_WORDS = {
    "account": re.compile(r"[A-Za-z0-9-]{1,63}(\.(eu|fedramp))?", re.ASCII),
    "region": re.compile(r"[A-Za-z0-9-]{1,63}", re.ASCII),
    "path_style": re.compile("|".join(_SWITCH)),
    "insecure": re.compile("|".join(_SWITCH)),
}


@dataclass(frozen=True, slots=True)
class Address:
    """A checked URL. It holds no secrets, so it may be shown and logged."""

    scheme: str
    place: str
    """The bucket, the folder as written, the name of a memory store, or what a third party reads."""
    prefix: str = ""
    query: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        return dict(self.query).get(name)

    def switch(self, name: str) -> bool | None:
        value = self.get(name)
        return None if value is None else _SWITCH[value]

    def __str__(self) -> str:
        if self.scheme not in BUCKETS:
            return f"{self.scheme}:{self.place}"
        path = "/".join(filter(None, (self.place, self.prefix)))
        query = "&".join(f"{name}={quote(value, safe=':/')}" for name, value in self.query)
        return f"{self.scheme}://{path}" + (f"?{query}" if query else "")


def read_address(scheme: str, rest: str) -> Address:
    """The address whose URL is `scheme:rest`. SettingsError says what is wrong, without repeating it:
    what is wrong may be a secret in the wrong place."""
    if scheme == "file":
        return Address("file", _folder(rest))
    if scheme == "mem":
        if not _MEMORY.fullmatch(rest):
            raise SettingsError("a store in memory is written mem:NAME")
        return Address("mem", rest)
    if scheme in BUCKETS:
        return _bucket(scheme, rest)
    _refuse_secrets(rest.partition("?")[2])
    if "@" in rest.removeprefix("//").partition("/")[0]:
        raise SettingsError("credentials do not belong in a store's address")
    return Address(scheme, rest)


def _folder(rest: str) -> str:
    """`file:PATH` is taken literally; `file:///path` is a URL and decoded."""
    if not rest.startswith("//"):
        path = rest
    elif rest.startswith("///"):
        path = unquote_to_bytes(rest[2:]).decode(errors="surrogateescape")
    else:
        raise SettingsError("a file: address names no host", hints=["file:../store", "file:///path/to/store"])
    if not path or CONTROL.search(path):
        raise SettingsError("a file: address names no folder, or one with control characters")
    return path


def _bucket(scheme: str, rest: str) -> Address:
    try:
        split = urlsplit(f"{scheme}:{rest}")
    except ValueError as error:
        raise SettingsError(f"not an address: write {scheme}://bucket/prefix") from error
    if "@" in split.netloc or ":" in split.netloc:
        raise SettingsError(f"neither credentials nor a port belong in a store's {scheme}:// address")
    if not _BUCKET.fullmatch(split.netloc) or split.fragment:
        raise SettingsError(f"no bucket is named: write {scheme}://bucket/prefix")
    return Address(scheme, split.netloc, _prefix(split.path), _query(scheme, split.query))


def _prefix(path: str) -> str:
    prefix = path.strip("/")
    try:
        if prefix:
            check_key(prefix)
    except ValueError as error:
        raise SettingsError("the prefix after the bucket's name cannot start a key") from error
    return prefix


def _query(scheme: str, text: str) -> tuple[tuple[str, str], ...]:
    _refuse_secrets(text)
    pairs = parse_qsl(text, keep_blank_values=True)
    values = dict(pairs)
    if len(values) != len(pairs) or not values.keys() <= BUCKETS[scheme]:
        allowed = ", ".join(sorted(BUCKETS[scheme]))
        raise SettingsError(f"the query of a {scheme}:// address knows {allowed}, each once")
    for name, pattern in _WORDS.items():
        if name in values and not pattern.fullmatch(values[name]):
            raise SettingsError(f"{name} in the address has no usable value")
    if "endpoint" in values:
        insecure = _SWITCH[values.get("insecure", "0")]
        values["endpoint"] = check_endpoint(values["endpoint"], insecure=insecure)
    return tuple(values.items())


def _refuse_secrets(query: str) -> None:
    if any(_SECRET.search(name) for name, _ in parse_qsl(query, keep_blank_values=True)):
        raise SettingsError(
            "credentials do not belong in a store's address",
            hints=["git config data.remote.<name>.profile PROFILE", "export AWS_ACCESS_KEY_ID=…"],
        )

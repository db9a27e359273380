"""Which key an object has: docs/spec/object-layout-v1.md.

Keys are computed from digests and checked ids, never taken from a manifest.
"""

from dataclasses import dataclass

from git_datamanager.model.oid import Oid
from git_datamanager.model.ulid import is_ulid

CONTENT_PREFIXES = ("objects/", "zstd/", "delta/", "cuts/", "trees/", "packs/")
PROBE_PREFIX = "probe/"
CUTS = "cuts/"
FORMS = ("objects/", "zstd/", "delta/")
"""Below these lies what a version's bytes can be had from."""
OBJECTS, TRASH, RECEIPTS, AUDIT, REPOSITORIES = "objects/", "trash/", "receipts/", "audit/", "repos/"
TREES, PACKS = "trees/", "packs/"
_LIST = ".packs"
LEASE = "lease"
"""Held by publish, in production."""
GC_LEASE = "lease-gc"
"""Held by the one run that deletes in a store."""
_FOLDERS = {"identity": "objects", "zstd": "zstd", "delta": "delta"}
_KINDS = {folder: kind for kind, folder in _FOLDERS.items()}


@dataclass(frozen=True, slots=True)
class Encoding:
    """A way to carry a version: `identity`, `zstd`, or `delta` from a base (ValueError else)."""

    kind: str
    base: Oid | None = None

    def __post_init__(self) -> None:
        if self.kind not in _FOLDERS:
            raise ValueError(f"not an encoding of this version of the format: {self.kind[:40]!r}")
        if (self.kind == "delta") != (self.base is not None):
            raise ValueError("a delta has a base, no other encoding has one")

    @classmethod
    def parse(cls, text: str) -> "Encoding":
        """Read `zstd` or `delta:sha256:<hex>`; the inverse of str()."""
        kind, colon, base = text.partition(":")
        return cls(kind, Oid.parse(base) if colon else None)

    def __str__(self) -> str:
        return f"{self.kind}:{self.base}" if self.base else self.kind


IDENTITY = Encoding("identity")


def encoded_key(oid: Oid, encoding: Encoding = IDENTITY) -> str:
    """Where the bytes of `oid` lie in this encoding."""
    key = f"{_FOLDERS[encoding.kind]}/{oid.hex[:2]}/{oid.hex}"
    return f"{key}/{encoding.base.hex}" if encoding.base else key


def object_key(oid: Oid) -> str:
    """Where the plain bytes lie."""
    return encoded_key(oid)


def delta_prefix(oid: Oid) -> str:
    """Below it lie all deltas that rebuild these bytes."""
    return f"delta/{oid.hex[:2]}/{oid.hex}/"


def cuts_key(oid: Oid) -> str:
    """Where the block index of a big file lies."""
    return f"cuts/{oid.hex[:2]}/{oid.hex}"


def tree_key(oid: Oid) -> str:
    """Where the listing of a folder lies."""
    return f"{TREES}{oid.hex[:2]}/{oid.hex}"


def packs_list_key(oid: Oid) -> str:
    """Where it is said which packs hold the small members of a folder, by the oid of its listing."""
    return tree_key(oid) + _LIST


def pack_key(oid: Oid) -> str:
    """Where a pack lies."""
    return f"{PACKS}{oid.hex[:2]}/{oid.hex}"


def encoding_of(key: str) -> tuple[Oid, Encoding] | None:
    """What lies under the key of an encoded form, the inverse of `encoded_key`; None for any other."""
    folder, _, rest = key.partition("/")
    parts = rest.split("/")[1:]
    kind = _KINDS.get(folder)
    try:
        if kind is None or not 1 <= len(parts) <= 2:
            return None
        oid, encoding = Oid(parts[0]), Encoding(kind, Oid(parts[1]) if parts[1:] else None)
    except ValueError:
        return None
    return (oid, encoding) if encoded_key(oid, encoding) == key else None


def trash_key(oid: Oid) -> str:
    """Where production keeps deleted bytes for the grace period."""
    return f"trash/{oid.hex[:2]}/{oid.hex}"


def packs_list_trash_key(oid: Oid) -> str:
    """Where production keeps the list of packs of a deleted folder, beside its listing."""
    return trash_key(oid) + _LIST


def production_trash_key(key: str) -> str:
    """Where production keeps what lies under the key of plain bytes, a listing, a list of packs or a pack;
    ValueError for any other key."""
    for read, trash in (
        (object_of, trash_key), (pack_of, trash_key), (tree_of, trash_key),
        (packs_list_of, packs_list_trash_key),
    ):  # fmt: skip
        oid = read(key)
        if oid is not None:
            return trash(oid)
    raise ValueError(f"not a key that production's trash takes: {key[:120]!r}")


def trashed_of(key: str) -> Oid | None:
    """Whose bytes, or whose list of packs, lie under this key of production's trash; None for any other."""
    return object_of(key, TRASH) or packs_list_of(key, TRASH)


def home_keys(key: str) -> tuple[str, ...]:
    """Where something of production's trash may have come from: its name does not say which."""
    oid = object_of(key, TRASH)
    if oid is not None:
        return object_key(oid), pack_key(oid), tree_key(oid)
    oid = packs_list_of(key, TRASH)
    return () if oid is None else (packs_list_key(oid),)


def staging_trash_key(key: str) -> str:
    """Where staging keeps a withdrawn upload; ValueError for a key that holds no content."""
    if not key.startswith(CONTENT_PREFIXES):
        raise ValueError(f"not the key of content: {key[:120]!r}")
    return f"{TRASH}{key}"


def receipt_key(entry: str) -> str:
    """Where publish leaves the receipt of the entry with this id; ValueError for no ULID."""
    if not is_ulid(entry):
        raise ValueError(f"not an entry id: {entry[:40]!r}")
    return f"receipts/{entry}.json"


def audit_key(record: str) -> str:
    """Where gc leaves the record with this id; ValueError for no ULID."""
    if not is_ulid(record):
        raise ValueError(f"not a record id: {record[:40]!r}")
    return f"{AUDIT}{record}.json"


def repository_key(repository: str) -> str:
    """Where publish registers a repository, by the sha256 of its address; ValueError for no digest."""
    return f"{REPOSITORIES}{Oid(repository).hex}.json"


def object_of(key: str, prefix: str = OBJECTS) -> Oid | None:
    """The oid whose bytes lie under this key, the inverse of `object_key` and `trash_key`; None for
    any other key: what a listing says is nobody's word but the store's."""
    name = key.rpartition("/")[2]
    try:
        oid = Oid(name)
    except ValueError:
        return None
    return oid if key == f"{prefix}{oid.hex[:2]}/{oid.hex}" else None


def tree_of(key: str) -> Oid | None:
    """The folder whose listing this is, the inverse of `tree_key`; None for any other key."""
    return object_of(key, TREES)


def packs_list_of(key: str, prefix: str = TREES) -> Oid | None:
    """The folder whose list of packs this is, the inverse of `packs_list_key` and, below TRASH, of
    `packs_list_trash_key`; None for any other key."""
    return object_of(key.removesuffix(_LIST), prefix) if key.endswith(_LIST) else None


def pack_of(key: str) -> Oid | None:
    """The pack that lies there, the inverse of `pack_key`; None for any other key."""
    return object_of(key, PACKS)


def content_of(key: str) -> Oid | None:
    """The version that this object is a form of, or an index of; None for the key of anything else."""
    form = encoding_of(key)
    return form[0] if form is not None else object_of(key, CUTS)


def receipt_of(key: str) -> str | None:
    """The id of the entry whose receipt this is; None for any other key."""
    name = key.removeprefix(RECEIPTS).removesuffix(".json")
    return name if is_ulid(name) and key == receipt_key(name) else None

"""Which packs hold the small members of a folder: `.packs` in docs/spec/tree-v1.md.

Derived, and believed by nobody: it says where to look, the packs' own indexes say what lies there.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from git_datamanager.content.pack import MAX_PACK
from git_datamanager.errors import Corrupt

MAX_BYTES = 32 << 20
"""Of a list: 2 000 000 members of nearly 1 MiB fill 31 250 packs, which take 4 MB."""

_LINE = re.compile(rb'\{"pack": "sha256:([0-9a-f]{64})", "size": ([1-9][0-9]{0,8})\}\n')


class PackRef(NamedTuple):
    """A pack that is named."""

    hex: str
    """Its SHA-256."""
    size: int


def dumps(packs: Iterable[PackRef]) -> bytes:
    """The one encoding; of no packs nothing, which is not stored."""
    lines = (f'{{"pack": "sha256:{p.hex}", "size": {p.size}}}\n' for p in sorted(set(packs)))
    return "".join(lines).encode()


def loads(data: bytes) -> list[PackRef]:
    """Read the one encoding. Raises Corrupt for anything else."""
    found = [PackRef(m[1].decode(), int(m[2])) for m in _LINE.finditer(data)]
    if not found or dumps(found) != data or any(p.size > MAX_PACK for p in found):
        raise Corrupt("a list of packs is not in its one encoding")
    return found

"""Writing members into new packs, whatever other packs of this clone hold them already."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from git_datamanager.content import pack
from git_datamanager.model.oid import Oid
from git_datamanager.workspace.folderpacks import Packs


def written(packs: Packs, members: Iterable[tuple[bytes, bytes]]) -> Iterator[Oid]:
    """Pack members (digest and content) whose SHA-256 was just computed, each once; gives the new packs."""
    rest = iter(members)
    ahead = next(rest, None)
    while ahead is not None:
        with ExitStack() as stack:
            temp = packs.new_path()
            stack.callback(temp.unlink, missing_ok=True)
            file = stack.enter_context(temp.open("xb", buffering=0))
            writer = pack.Writer(file)
            while ahead is not None and writer.fits(len(ahead[1])):
                writer.append(*ahead)
                ahead = next(rest, None)
            digest, index = writer.close()
            oid = Oid(digest.hex())
            packs.place(temp, oid, index)
        yield oid

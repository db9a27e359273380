"""What is given to the client as the body of a request."""

import io
from typing import Any

from git_datamanager.storage.traffic import TRAFFIC

_CHUNK = 64 << 10


def body(data: bytes | bytearray) -> Any:
    """As it is: a bytearray is neither copied nor sent in small pieces by the client, which it would be
    as a file. Where a bandwidth is set, a file that is read no faster than that."""
    return Paced(data) if TRAFFIC.pace.rate else data


class Paced(io.BytesIO):
    """Takes its time once it is sent; the signature is made of it before, as fast as it goes."""

    is_on_its_way = False

    def read(self, size: int | None = -1) -> bytes:
        if not self.is_on_its_way:
            return super().read(size)
        data = super().read(_CHUNK if size is None or size < 0 else min(size, _CHUNK))
        TRAFFIC.pace.take(len(data))
        return data


def on_its_way(request: Any, **_: Any) -> None:
    """To be called by the client between signing and sending (its event `before-send`)."""
    if isinstance(request.body, Paced):
        request.body.is_on_its_way = True


def signed_again(request: Any, **_: Any) -> None:
    """Before another try is signed (its event `before-sign`)."""
    if isinstance(request.data, Paced):
        request.data.is_on_its_way = False

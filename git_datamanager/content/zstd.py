"""Zstandard: the one place that knows where the library comes from, and single frames in memory.

Python has it from 3.14 on; below, backports.zstd is the same code.
"""

import sys
from types import ModuleType

from git_datamanager.errors import Corrupt

Bytes = bytes | bytearray | memoryview

WINDOW_LOG = 23
"""8 MiB: no frame we write needs a larger window."""
_SHORTEST_PREFIX = 8  # bytes; the library takes nothing shorter for a dictionary


def module() -> ModuleType:
    """The library, imported when first asked for: it is no part of a start-up."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def usable_prefix(data: Bytes) -> bool:
    """Whether a frame may be compressed with these bytes as its prefix."""
    return memoryview(data).nbytes >= _SHORTEST_PREFIX


def packed(
    data: Bytes,
    *,
    level: int,
    prefix: Bytes = b"",
    checksum: bool = True,
) -> bytes:
    """One frame with its content's size; `prefix` is what its matches may also point into."""
    zstd = module()
    parameter = zstd.CompressionParameter
    chosen = {parameter.compression_level: level, parameter.checksum_flag: int(checksum)}
    dictionary = zstd.ZstdDict(prefix, is_raw=True).as_prefix if usable_prefix(prefix) else None
    compressor = zstd.ZstdCompressor(options=chosen, zstd_dict=dictionary)
    compressor.set_pledged_input_size(memoryview(data).nbytes)
    frame: bytes = compressor.compress(data, compressor.FLUSH_FRAME)
    return frame


def content_size(header: bytes) -> int:
    """What a frame says it holds, by its first 18 bytes. Raises Corrupt where it is none, or does not say."""
    library = module()
    try:
        size: int | None = library.get_frame_info(header).decompressed_size
    except library.ZstdError as error:
        raise Corrupt(f"not a zstd frame: {error}") from error
    if size is None:
        raise Corrupt("a zstd frame that does not say how much it holds")
    return size


def unpacked(frame: bytes, *, limit: int, prefix: Bytes = b"", what: str = "a frame") -> bytes:
    """The content of exactly one frame, at most `limit` bytes; Corrupt else, in bounded memory."""
    zstd = module()
    dictionary = zstd.ZstdDict(prefix, is_raw=True).as_prefix if usable_prefix(prefix) else None
    bounds = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
    decompressor = zstd.ZstdDecompressor(zstd_dict=dictionary, options=bounds)
    try:
        data: bytes = decompressor.decompress(frame, limit + 1)
    except zstd.ZstdError as error:
        raise Corrupt(f"{what} is damaged: {error}") from error
    if len(data) > limit:
        raise Corrupt(f"{what} holds more than {limit} bytes")
    if not decompressor.eof or decompressor.unused_data:
        raise Corrupt(f"{what} is cut short or goes on beyond its end")
    return data

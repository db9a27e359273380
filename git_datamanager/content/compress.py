"""Whole files as zstd frames: docs/spec/zstd-v1.md."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from git_datamanager.content import zstd
from git_datamanager.errors import Corrupt

LEVEL = 3
WINDOW_LOG_READ = 27
"""128 MiB: what `zstd --ultra --long=27` writes is still read."""
_CHUNK = 1 << 20
_READ = 128 << 10  # what follows a frame is copied: frames of a few bytes must not make that dear
_SAMPLES, _SAMPLE = 16, 16 << 10  # 256 KiB: a few milliseconds


def _nothing(_count: int) -> None:
    """Nobody wants to know how far it is."""


def estimate(file: BinaryIO, size: int) -> float:
    """Compressed size / plain size, from blocks spread evenly over the file; 1.0 for an empty one.

    Moves the position of the file. Costs milliseconds whatever the size; text and tables are
    estimated a little too large (the sample knows less of the past than the whole does).
    """
    if size <= _SAMPLES * _SAMPLE:
        starts = [0]
        length = size
    else:
        starts = [(size - _SAMPLE) * number // (_SAMPLES - 1) for number in range(_SAMPLES)]
        length = _SAMPLE
    blocks = []
    for start in starts:
        file.seek(start)
        blocks.append(file.read(length))
    sample = b"".join(blocks)
    return len(zstd.packed(sample, level=LEVEL)) / len(sample) if sample else 1.0


def compress(
    source: BinaryIO,
    target: BinaryIO,
    *,
    limit: int | None = None,
    advance: Callable[[int], None] = _nothing,
) -> int | None:
    """Write all that is left of `source` as one frame with checksum; how many bytes it took.

    None as soon as that would be more than `limit`; whoever asked cuts off what was written so far.
    `advance` is told of plain bytes.
    """
    library = zstd.module()
    parameter = library.CompressionParameter
    compressor = library.ZstdCompressor(
        options={
            parameter.compression_level: LEVEL,
            parameter.checksum_flag: 1,
            parameter.window_log: zstd.WINDOW_LOG,
        }
    )
    written = 0
    while True:
        block = source.read(_CHUNK)
        packed = compressor.compress(block) if block else compressor.flush()
        written += len(packed)
        if limit is not None and written > limit:
            return None
        target.write(packed)
        advance(len(block))
        if not block:
            return written


def decompressed(source: BinaryIO, size: int) -> Iterator[bytes]:
    """The plain bytes of all frames in `source`, piece by piece, never more than `size` in all.

    Corrupt for anything but whole frames without dictionary, with a window of at most 128 MiB, that
    hold exactly `size` bytes. The SHA-256 of the result is for the caller to check.
    """
    library = zstd.module()
    bounds = {library.DecompressionParameter.window_log_max: WINDOW_LOG_READ}
    left, waiting, frame = size, b"", None
    while True:
        if not waiting and (frame is None or frame.needs_input):
            waiting = source.read(_READ)
            if not waiting:
                break
        frame = frame or library.ZstdDecompressor(options=bounds)
        try:
            piece: bytes = frame.decompress(waiting, _CHUNK)
        except library.ZstdError as error:
            raise Corrupt(f"the compressed bytes are damaged: {error}") from error
        waiting = b""
        if len(piece) > left:
            raise Corrupt(f"the compressed bytes hold more than the {size} bytes they should")
        left -= len(piece)
        if piece:
            yield piece
        if frame.eof:
            waiting, frame = frame.unused_data, None
    if frame is not None:
        raise Corrupt("the compressed bytes are cut short")
    if left:
        raise Corrupt(f"the compressed bytes hold {left} bytes less than the {size} they should")

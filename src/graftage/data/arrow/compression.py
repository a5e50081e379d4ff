"""Compressed buffers, for which Python needs a library: Grafana never writes them, but others do.

Source: apache/arrow, format/Message.fbs, `BodyCompression`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final

from graftage.data.arrow.layout import INT64
from graftage.errors import WireError

_NOT_COMPRESSED: Final = -1
_LZ4, _ZSTD = 0, 1
_NAMES: Final = {_LZ4: "LZ4", _ZSTD: "ZSTD"}
# By codec: modules that can read it, the best first.
_MODULES: Final = {_LZ4: ("lz4.frame",), _ZSTD: ("compression.zstd", "zstandard")}

# What all buffers may unpack to: so much in any case, and so many times the size of their files.
_UNPACKED_BYTES: Final = 2**26
_UNPACKED_RATIO: Final = 64

Decompress = Callable[[memoryview], memoryview]


class Allowance:
    """How many bytes the buffers of a file, or of several that share it, may still unpack to.

    size: of all these files together, in bytes.
    """

    def __init__(self, size: int) -> None:
        self._left = max(_UNPACKED_BYTES, _UNPACKED_RATIO * size)

    def take(self, size: int) -> None:
        if not 0 <= size <= self._left:
            raise ValueError(
                f"a compressed buffer claims {size} bytes where at most {self._left} are allowed"
            )
        self._left -= size


def decompressor(codec: int, allowance: Allowance) -> Decompress:
    """A function that unpacks one buffer after the other.

    Raises WireError if nothing is installed that reads the codec; the function ValueError.
    """
    if codec not in _MODULES:
        raise WireError(f"the Arrow file is compressed with codec {codec}; expected none, LZ4 or ZSTD")
    for name in _MODULES[codec]:
        try:
            module = import_module(name)
        except ImportError:
            continue
        return partial(_decompressed, _NAMES[codec], module, allowance)
    raise WireError(
        f"the Arrow file is compressed with {_NAMES[codec]}, which older Grafanas cannot read, and this "
        f"Python not without the package {_MODULES[codec][-1].partition('.')[0]}; do not compress it"
    )


def _decompressed(name: str, module: Any, allowance: Allowance, buffer: memoryview) -> memoryview:
    if not len(buffer):
        return buffer
    if len(buffer) < INT64.size:
        raise ValueError(f"it has a compressed buffer of {len(buffer)} bytes; expected its size in 8")
    (size,) = INT64.unpack_from(buffer)
    packed = buffer[INT64.size :]
    if size == _NOT_COMPRESSED:
        return packed
    allowance.take(size)
    try:
        content = _unpacked(module, packed, size)
    except Exception as error:  # each library has errors of its own, and some raise plain ones
        raise ValueError(f"a compressed buffer is no {name}: {error}") from error
    if len(content) != size:
        raise ValueError(f"a compressed buffer claims {size} bytes and has {len(content)}")
    return memoryview(content)


def _unpacked(module: Any, packed: memoryview, size: int) -> bytes:
    """At most `size` bytes and one more, whatever is packed."""
    match module.__name__:
        case "lz4.frame":
            return bytes(module.LZ4FrameDecompressor().decompress(packed, max_length=size + 1))
        case "zstandard":
            with module.ZstdDecompressor().stream_reader(packed) as reader:
                return bytes(reader.read(size + 1))
        case _:
            return bytes(module.ZstdDecompressor().decompress(packed, max_length=size + 1))

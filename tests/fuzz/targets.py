"""What is fuzzed: each target decodes bytes and complains of its own about what came out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from graftage.data.arrow.reader import read_arrow
from graftage.data.arrow.writer import write_arrow
from graftage.errors import WireError
from graftage.protocol.v1.response import decode_response, encode_response

CORPUS = Path(__file__).parent / "corpus"

# A bit becomes a byte and an empty text of 4 bytes a reference of 8; anything above is a reader's mistake.
MOST_BYTES_FOR_ONE = 16


def arrow_reader(data: bytes) -> None:
    with suppress(WireError):
        frame = read_arrow(data)
        taken = sum(field.values.nbytes + field.present().nbytes for field in frame.fields)
        assert taken <= MOST_BYTES_FOR_ONE * len(data), f"{taken} bytes from {len(data)}"
        with suppress(ValueError):  # JSON that is none, or a time that is none
            assert len(read_arrow(write_arrow(frame)).fields) == len(frame.fields)


def v1_response(data: bytes) -> None:
    with suppress(WireError):
        results = decode_response(data)
        again = decode_response(encode_response(results))
        for one, other in itertools.zip_longest(results, again):
            assert (one.ref_id, len(one.series), len(one.tables)) == (
                other.ref_id,
                len(other.series),
                len(other.tables),
            )


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    function.__name__: function for function in (arrow_reader, v1_response)
}

"""The answer of `/api/tsdb/query`, byte for byte as Grafana 7.5 writes it.

    {"results":{"A":{"refId":"A","series":[{"name":"cpu","points":[[1.5,1555324640782]],"tags":{"host":"a"}}],
    "tables":null,"dataframes":null}}}

A plugin of protocol version 2 has `"series":null,"tables":null,"dataframes":["QVJST1cx…"]`: its frames, each
an Arrow file just as it came, in base64.

In two things it is better. Grafana refuses to write an infinity, or NaN in a table, and loses all results;
here they are `null`, as NaN in a series is there: one bad number costs one gap. And it writes the `meta` of a
plugin of version 2 as base64, here it is JSON.

Source: recorded answers; grafana/grafana 7.5, pkg/tsdb (`QueryResult`, `TimePoint` of null.Float, which
formats with `strconv.FormatFloat(f, 'f', -1, 64)`); Go, encoding/json, for the numbers of tables and text.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from graftage.backend.query import Result
from graftage.data.canonical_json import JsonSyntaxError, first_value, write_json_bytes
from graftage.data.series import Series
from graftage.data.table import Table
from graftage.query.points_json import plain_digits, write_points

_CHUNK: Final = 1 << 16  # bytes; smaller pieces are joined, so that a small answer is one chunk


def encode_answer(results: Mapping[str, Result], *, message: str = "") -> list[bytes]:
    """The body in chunks: results sorted by ref id, and `message` behind them unless it is empty."""
    return list(joined(_answer(results, message)))


def _answer(results: Mapping[str, Result], message: str) -> Iterator[bytes]:
    yield b'{"results":{'
    for index, ref_id in enumerate(sorted(results)):
        yield b"," if index else b""
        yield write_json_bytes(ref_id)
        yield b":"
        yield from _result(ref_id, results[ref_id])
    yield b'},"message":%b}' % write_json_bytes(message) if message else b"}}"


def _result(ref_id: str, result: Result) -> Iterator[bytes]:
    yield b'{"error":%b,"refId":' % write_json_bytes(result.error) if result.error else b'{"refId":'
    yield write_json_bytes(ref_id)
    yield from _meta(result.meta_json)
    if result.arrow is not None:
        yield from _data_frames(result.arrow)
        return
    yield b',"series":['
    for index, series in enumerate(result.series):
        yield b"," if index else b""
        yield from _series(series)
    yield b'],"tables":'
    if result.tables:
        for index, table in enumerate(result.tables):
            yield b"," if index else b"["
            yield from _table(table)
        yield b"]"
    else:
        yield b"null"
    yield b',"dataframes":null}'


def _data_frames(files: Sequence[bytes]) -> Iterator[bytes]:
    yield b',"series":null,"tables":null,"dataframes":['
    for index, file in enumerate(files):
        yield b',"' if index else b'"'
        yield b64encode(file)
        yield b'"'
    yield b"]}"


def _meta(text: str) -> Iterator[bytes]:
    """The first JSON value in a plugin's meta; nothing if there is none."""
    if not text:
        return
    try:
        meta, _ = first_value(text)
    except JsonSyntaxError:
        return
    yield b',"meta":'
    yield write_json_bytes(meta)


def _series(series: Series) -> Iterator[bytes]:
    yield b'{"name":%b,"points":[' % write_json_bytes(series.name)
    yield from write_points(series.times, series.values)
    yield b'],"tags":%b}' % write_json_bytes(dict(series.labels)) if series.labels else b"]}"


def _table(table: Table) -> Iterator[bytes]:
    columns = b",".join([b'{"text":%b}' % write_json_bytes(name) for name in table.columns])
    yield b'{"columns":[%b],"rows":[' % columns if columns else b'{"columns":null,"rows":['
    cells = _cells(table)
    rows = (b"[%b]" % b",".join(islice(cells, width)) for width in table.widths.tolist())
    yield next(rows, b"")
    yield from (b"," + row for row in rows)
    yield b"]}"


def _cells(table: Table) -> Iterator[bytes]:
    """The text of each cell in reading order."""
    texts: tuple[Iterator[bytes], ...] = (
        iter(()),
        _doubles(table.doubles),
        _numbers(table.integers),
        (b"true" if value else b"false" for value in table.bools.tolist()),
        map(write_json_bytes, table.texts),
        (b'"%b"' % b64encode(blob) if blob else b"null" for blob in table.blobs),
    )
    return (next(texts[kind], b"null") for kind in table.kinds.tolist())


def _doubles(numbers: NDArray[np.float64]) -> Iterator[bytes]:
    for text in _numbers(numbers):
        yield _double(float(text)) if b"e" in text else text.removesuffix(b".0")


def _double(number: float) -> bytes:
    """A number as Go writes it: with an exponent where it is below 1e-6 or from 1e21 on."""
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        return plain_digits(number)
    return repr(number).replace("e-0", "e-").encode()


def _numbers(numbers: NDArray[np.float64] | NDArray[np.int64]) -> Iterator[bytes]:
    return (
        iter(orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b","))
        if len(numbers)
        else iter(())
    )


def joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks that are worth sending."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield b"".join(waiting) if len(waiting) > 1 else piece
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)

"""The array codec of protocol version 1 against what protobuf's own library does with the same bytes."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.number import Number
from bench.ratio import ratio
from graftage.backend.query import Result
from graftage.data.series import Series
from graftage.protocol.pb.datasource_v1_pb2 import DatasourceResponse
from graftage.protocol.v1.response import decode_response, encode_response

POINTS = 1_000_000


def codec() -> list[Number]:
    """The decoder's target is in terms of plain points: it may take as long for any other layout."""
    numbers = []
    plain = encode_response((_plain(),))
    for name, results in {
        "one million points": (_plain(),),
        "a third of the values zero": (_zeros(),),
        "timestamps of one to five bytes": (_growing(),),
        "growing timestamps, a tenth of the values zero": (_growing_with_zeros(),),
        "every layout at random": (_random(),),
    }.items():
        wire = encode_response(results)
        message = DatasourceResponse.FromString(wire)
        if not _same(decode_response(wire), results) or len(message.results[0].series[0].points) != POINTS:
            raise RuntimeError(f"the codec does not read back what it wrote: {name}")
        decode, protobuf = partial(decode_response, wire), partial(DatasourceResponse.FromString, plain)
        numbers.append(ratio(f"v1 decoder, {name} / FromString of plain points", decode, protobuf, 40 / 38))
        encode = partial(encode_response, results)
        numbers.append(ratio(f"v1 encoder, {name} / SerializeToString", encode, message.SerializeToString))
    return numbers


def _plain() -> Result:
    steps = np.arange(POINTS)
    return _result(1555324640782 + 1000 * steps, np.sin(steps / 10) * 100)


def _zeros() -> Result:
    """Values that protobuf leaves out, here and there."""
    steps = np.arange(POINTS)
    values = np.sin(steps / 10) * 100
    values[np.random.default_rng(1).random(POINTS) < 1 / 3] = 0.0
    return _result(1555324640782 + 1000 * steps, values)


def _growing() -> Result:
    """Timestamps whose varints grow as time goes on."""
    steps = np.arange(POINTS)
    return _result(1000 * steps, np.cos(steps / 10) * 100)


def _growing_with_zeros() -> Result:
    """Both together: the layout changes at random, and the lengths as time goes on."""
    steps = np.arange(POINTS)
    values = np.cos(steps / 10) * 100
    values[np.random.default_rng(1).random(POINTS) < 1 / 10] = 0.0
    return _result(1000 * steps, values)


def _random() -> Result:
    """Every length of a varint, negative times included, every third time and value zero."""
    random = np.random.default_rng(1)
    times = random.integers(0, 2**63, POINTS) >> random.integers(0, 63, POINTS)
    times[::5] *= -1
    times[::3] = 0
    values = random.normal(size=POINTS)
    values[1::3] = 0.0
    return _result(times, values)


def _result(times: NDArray[np.int64], values: NDArray[np.float64]) -> Result:
    return Result("A", series=(Series("series", times, values, {"host": "a"}),))


def _same(decoded: tuple[Result, ...], results: tuple[Result, ...]) -> bool:
    return all(
        np.array_equal(one.times, other.times) and np.array_equal(one.values, other.values)
        for left, right in zip(decoded, results, strict=True)
        for one, other in zip(left.series, right.series, strict=True)
    )

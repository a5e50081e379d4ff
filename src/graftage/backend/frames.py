"""What a plugin answered, as frames, whichever version of the protocol it speaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from graftage.backend.query import Result
from graftage.data.arrow.compression import Allowance
from graftage.data.arrow.reader import read_arrow
from graftage.data.frame import Frame
from graftage.data.legacy import series_to_frame
from graftage.data.table_frame import table_to_frame
from graftage.errors import WireError


def allowance_for(results: Iterable[Result]) -> Allowance:
    """What the compressed frames of these results together may unpack to."""
    return Allowance(sum(len(file) for result in results for file in result.arrow or ()))


def frames_of(result: Result, allowance: Allowance | None = None) -> tuple[Frame, ...]:
    """The frames of a result: read from Arrow, or made of the series and tables of version 1.

    A frame without a ref id gets that of the result. allowance: of the whole answer, for one of several
    results. Raises WireError for what is no frame.
    """
    if result.arrow is not None:
        allowance = allowance or allowance_for([result])
        return tuple(_named(read_arrow(file, allowance), result.ref_id) for file in result.arrow)
    try:
        return tuple(
            [series_to_frame(series, ref_id=result.ref_id) for series in result.series]
            + [table_to_frame(table, ref_id=result.ref_id) for table in result.tables]
        )
    except ValueError as error:
        raise WireError(str(error)) from error


def _named(frame: Frame, ref_id: str) -> Frame:
    return frame if frame.ref_id else replace(frame, ref_id=ref_id)

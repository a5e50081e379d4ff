"""Where that goes which a handler returns, or yields piece by piece: into one result, or out in pieces.

All of it may happen in a worker thread.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from graftage.backend.query import Chunk, FrameFormat, Result
from graftage.data.arrow.writer import write_arrow
from graftage.data.data_plane import typed
from graftage.data.frame import Frame
from graftage.data.frame_json import write_frame_json
from graftage.data.grafana_7 import for_grafana_7
from graftage.data.legacy import frame_to_legacy
from graftage.data.series import Series
from graftage.data.table import Table
from graftage.sdk.answer import Answer, Item, answer_of
from graftage.sdk.batches import continued, joined, opened, structure
from graftage.sdk.failure import OK, Failure


class Write(Protocol):
    """How frames are written for a host. begun: has it got a piece of the frame already?"""

    def __call__(self, frame: Frame, *, begun: bool = False) -> bytes: ...


class Delivery(Protocol):
    """Takes what answers one query. What it returns is to be sent at once."""

    def whole(self, returned: object) -> Sequence[Chunk]:
        """The answer. Raises PluginFault or ValueError for what is none."""

    def piece(self, yielded: object) -> Sequence[Chunk]:
        """A piece of it; those of one structure are one frame. Raises as `whole` does."""

    def end(self) -> Sequence[Chunk]:
        """No more pieces come."""

    def fail(self, failure: Failure) -> Sequence[Chunk]:
        """There is no answer."""


class OneResult:
    """Gathers all of an answer. write: how frames are written; None for version 1, which knows none."""

    def __init__(self, ref_id: str, write: Write | None = None) -> None:
        self.result = Result(ref_id)
        self._write = write
        self._gathered = Answer()

    def whole(self, returned: object) -> Sequence[Chunk]:
        self._finish(answer_of(returned))
        return ()

    def piece(self, yielded: object) -> Sequence[Chunk]:
        self._gathered = self._gathered.followed_by(answer_of(yielded))
        return ()

    def end(self) -> Sequence[Chunk]:
        items = self._gathered.items if self._write is None else self._gathered.frames()
        frames = joined(item for item in items if isinstance(item, Frame))
        others = (item for item in items if not isinstance(item, Frame))  # of version 1, whole by nature
        self._finish(replace(self._gathered, items=(*frames, *others)))
        return ()

    def fail(self, failure: Failure) -> Sequence[Chunk]:
        self.result = _failed(self.result.ref_id, failure)
        return ()

    def _finish(self, answer: Answer) -> None:
        ref_id = self.result.ref_id
        self.result = (
            _result_v1(ref_id, answer) if self._write is None else _result(ref_id, answer, self._write)
        )


class Pieces:
    """Sends what comes as it comes; frames are numbered `f0`, `f1` and so on."""

    def __init__(self, ref_id: str, write: Write) -> None:
        self._ref_id = ref_id
        self._write = write
        self._count = 0
        self._open: dict[Hashable, tuple[str, Frame]] = {}

    def whole(self, returned: object) -> Sequence[Chunk]:
        answer = answer_of(returned)
        frames = _finished(self._ref_id, answer)
        return [*(self._chunk(self._next_id(), frame) for frame in frames), *self._error(answer)]

    def piece(self, yielded: object) -> Sequence[Chunk]:
        answer = answer_of(yielded)
        frames = _noted(answer.frames(), answer)
        return [*(self._continue(frame) for frame in frames), *self._error(answer)]

    def end(self) -> Sequence[Chunk]:
        return ()

    def fail(self, failure: Failure) -> Sequence[Chunk]:
        return (Chunk(self._ref_id, "", None, failure.text, *failure.blame),)

    def _continue(self, frame: Frame) -> Chunk:
        kind = structure(frame)
        if kind in self._open:
            frame_id, first = self._open[kind]
            more = continued(first, frame)
            if more is not None:
                return self._chunk(frame_id, more, begun=True)
        frame_id, first = self._next_id(), opened(frame)
        self._open[kind] = frame_id, first
        return self._chunk(frame_id, first)

    def _chunk(self, frame_id: str, frame: Frame, *, begun: bool = False) -> Chunk:
        written = self._write(_answering(self._ref_id, frame), begun=begun)
        return Chunk(self._ref_id, frame_id, written, status=OK)

    def _error(self, answer: Answer) -> Iterable[Chunk]:
        if answer.error:
            yield Chunk(self._ref_id, "", None, answer.error, answer.status, answer.source)

    def _next_id(self) -> str:
        self._count += 1
        return f"f{self._count - 1}"


def writing(frame_format: int, *, for_grafana_7: bool) -> Write:
    """How frames are written for a host of version 2: as what it asks for, and of types that it knows."""
    if frame_format == FrameFormat.JSON:
        return _write_json
    return _write_arrow_for_grafana_7 if for_grafana_7 else _write_arrow


def _write_json(frame: Frame, *, begun: bool = False) -> bytes:
    return b"".join(write_frame_json(frame, schema=not begun))


def _write_arrow(frame: Frame, *, begun: bool = False) -> bytes:
    return write_arrow(frame)  # each piece is a whole file


def _write_arrow_for_grafana_7(frame: Frame, *, begun: bool = False) -> bytes:
    return write_arrow(for_grafana_7(frame))


def _failed(ref_id: str, failure: Failure) -> Result:
    return Result(ref_id, failure.text, status=failure.blame.status, error_source=failure.blame.source)


def _result(ref_id: str, answer: Answer, write: Write) -> Result:
    return Result(
        ref_id,
        answer.error,
        answer.meta_json,
        arrow=tuple(write(frame) for frame in _finished(ref_id, answer)),
        status=answer.status,
        error_source=answer.source,
    )


def _result_v1(ref_id: str, answer: Answer) -> Result:
    parts = [_legacy(item) for item in answer.items]
    return Result(
        ref_id,
        answer.error,
        answer.meta_json,
        series=tuple(series for part, _ in parts for series in part),
        tables=tuple(table for _, part in parts for table in part),
    )


def _legacy(item: Item) -> tuple[Sequence[Series], Sequence[Table]]:
    match item:
        case Series():
            return (item,), ()
        case Table():
            return (), (item,)
        case _:
            return frame_to_legacy(item)


def _finished(ref_id: str, answer: Answer) -> tuple[Frame, ...]:
    """The frames of a whole answer, as they are sent."""
    return tuple(_answering(ref_id, frame) for frame in _noted(typed(answer.frames()), answer))


def _noted(frames: Sequence[Frame], answer: Answer) -> tuple[Frame, ...]:
    """Notices belong to a frame: the first one, or one made for them."""
    if not answer.notices:
        return tuple(frames)
    first, *others = frames or (Frame(),)
    meta = dict(first.meta or {})
    own = meta.get("notices")
    meta["notices"] = [*(own if isinstance(own, list | tuple) else ()), *answer.notices]
    return (replace(first, meta=meta), *others)


def _answering(ref_id: str, frame: Frame) -> Frame:
    return frame if frame.ref_id else replace(frame, ref_id=ref_id)

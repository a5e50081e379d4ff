"""What a plugin answered, as tests look at it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graftage.backend.frames import frames_of
from graftage.backend.query import Result
from graftage.data.frame import Frame
from graftage.sdk.folded import FoldedMapping


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one query, whichever version of the protocol brought it.

    status: by the codes of HTTP; 0 in version 1, which has none. source: whose fault an error is, `plugin` or
    `downstream`; empty without one. meta: of version 1; version 2 has it in the frames.
    """

    ref_id: str
    frames: tuple[Frame, ...] = ()
    error: str = ""
    status: int = 0
    source: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def frame(self) -> Frame:
        """The only frame. Raises AssertionError where there is another number of them, or an error."""
        if self.error or len(self.frames) != 1:
            what = f"the error {self.error!r}" if self.error else f"{len(self.frames)} frames"
            raise AssertionError(f"query {self.ref_id} was answered with {what}; expected one frame")
        return self.frames[0]


@dataclass(frozen=True, slots=True)
class ResourceAnswer:
    """headers: by name in any case, the first value of each. parts: the body in the pieces that were sent."""

    status: int
    headers: FoldedMapping
    parts: Sequence[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


def answer_of(result: Result) -> Answer:
    return Answer(
        result.ref_id,
        frames_of(result),
        result.error,
        result.status,
        result.error_source,
        json.loads(result.meta_json) if result.meta_json else {},
    )

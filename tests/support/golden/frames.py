"""Recorded Arrow files: what real decoders made of each, and what we make of it.

`go-sdk-….jsonl` has a line for each file of the folder `arrow`: the frame that the Go SDK reads, in its JSON
encoding, or its error. `grafana-7….jsonl` says which of them the decoder of Grafana 7 takes. The files of
`dataplane` are frames of which alerting took what their text says: they have to be read at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from graftage.data.arrow.reader import read_arrow
from graftage.data.frame_json import write_frame_json
from graftage.errors import WireError
from support.golden.judge import Verdict

# The reader of the Go SDK, which all Grafanas since version 8 use, is the one to agree with.
_RIGHT: Final = "go-sdk"
_AS_THE_NEWER: Final = (
    "section 2: where the decoders disagree, the one of all Grafanas since version 8 is right"
)
_FRAME: Final = b'"frame":'

Judged = tuple[str, Verdict, tuple[str, ...]]


def judge_frames(files: Sequence[Path]) -> Iterator[Judged]:
    """Name, verdict and reasons of each recorded reading. The texts beside them belong to unit tests."""
    newer: dict[str, bool] = {}
    verdicts = [file for file in files if file.suffix == ".jsonl"]
    for file in sorted(verdicts, key=lambda file: not file.name.startswith(_RIGHT)):
        is_right = file.name.startswith(_RIGHT)
        for line in file.read_bytes().splitlines():
            case = json.loads(line)
            name, accepted = case["file"], case["ok"]
            ours, problem = _read((file.parent / "arrow" / name).read_bytes())
            if is_right:
                newer[name] = accepted
            recorded = line[line.index(_FRAME) + len(_FRAME) : -1] if is_right and accepted else ours
            if (not problem) == accepted and ours == recorded:
                yield f"{file.stem} {name}", Verdict.AS_RECORDED, ()
            elif not is_right and newer.get(name) == (not problem):
                yield f"{file.stem} {name}", Verdict.DELIBERATE, (_AS_THE_NEWER,)
            else:
                details = (problem or f"got {ours[:400]!r}", f"expected {recorded[:400]!r}")
                yield f"{file.stem} {name}", Verdict.DIFFERENT, details
    for file in files:
        if file.parent.name == "dataplane":
            problem = _read(file.read_bytes())[1]
            yield file.name, Verdict.DIFFERENT if problem else Verdict.AS_RECORDED, (problem,)


def _read(content: bytes) -> tuple[bytes, str]:
    """The frame as JSON, or why it cannot be read."""
    try:
        return b"".join(write_frame_json(read_arrow(content))), ""
    except WireError as error:
        return b"", str(error)

"""Frames kept in files, as the JSON that Grafana's browser gets, laid out to be read and compared.

A file is written only on demand: `pytest --graftage-update-golden`, or the variable GRAFTAGE_UPDATE_GOLDEN.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from graftage.data.frame import Frame
from graftage.data.frame_json import write_frame_json
from graftage.testing.answers import Answer

UPDATE = "GRAFTAGE_UPDATE_GOLDEN"
WIDTH = 100  # of what stands in one line
INDENT = 2

Kept: TypeAlias = "Frame | Answer | Iterable[Frame] | Mapping[str, Answer]"


def assert_golden(kept: Kept, path: str | os.PathLike[str], *, update: bool | None = None) -> None:
    """Raises AssertionError, with what differs, unless the file holds just these frames.

    kept: frames, or answers, whose errors are kept as well. path: from the working directory. update: write
    the file instead; None leaves that to the variable.
    """
    file, got = Path(path), _laid_out(_json_of(kept))
    if update if update is not None else os.environ.get(UPDATE, "") not in ("", "0"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{got}\n", encoding="utf-8")
        return
    hint = f"write it with pytest --graftage-update-golden, or with {UPDATE}=1, and look at what it says"
    if not file.exists():
        raise AssertionError(f"the golden file {file} does not exist; {hint}\n\n{got}")
    expected = _laid_out(json.loads(file.read_text(encoding="utf-8")))
    if got != expected:
        lines = difflib.unified_diff(
            expected.splitlines(), got.splitlines(), fromfile=str(file), tofile="answered", lineterm=""
        )
        difference = "\n".join(lines)
        raise AssertionError(f"{file} holds something else; if the answer is right, {hint}\n\n{difference}")


def _json_of(kept: Any) -> Any:
    match kept:
        case Frame():
            return [_frame(kept)]
        case Answer():
            return _answer(kept)
        case Mapping():
            return {ref_id: _answer(answer) for ref_id, answer in kept.items()}
        case _:
            return [_frame(frame) for frame in kept]


def _answer(answer: Answer) -> Any:
    frames = [_frame(frame) for frame in answer.frames]
    if not answer.error:
        return frames
    return {"error": answer.error, "status": answer.status, "source": answer.source, "frames": frames}


def _frame(frame: Frame) -> Any:
    return json.loads(b"".join(write_frame_json(frame)))


def _laid_out(value: Any, indent: int = 0) -> str:
    """JSON in lines of a readable length: what fits into one stands in one."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= WIDTH or not isinstance(value, dict | list):
        return flat
    inner = indent + INDENT
    margin = " " * inner
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {_laid_out(item, inner)}" for key, item in value.items()]
        body = f",\n{margin}".join(items)
    elif any(isinstance(item, dict | list) for item in value):
        body = f",\n{margin}".join(_laid_out(item, inner) for item in value)
    else:
        body = _wrapped([json.dumps(item, ensure_ascii=False) for item in value], margin)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{margin}{body}\n{' ' * indent}{closing}"


def _wrapped(items: list[str], margin: str) -> str:
    lines = [""]
    for number, item in enumerate(items):
        piece = item if number == len(items) - 1 else f"{item},"
        if lines[-1] and len(margin) + len(lines[-1]) + len(piece) + 1 > WIDTH:
            lines.append(piece)
        else:
            lines[-1] = f"{lines[-1]} {piece}".lstrip()
    return f"\n{margin}".join(lines)

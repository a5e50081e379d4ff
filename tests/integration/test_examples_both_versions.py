"""Each example answers the same frames under both versions of the protocol."""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from examples.demo.__main__ import running_backend
from examples.demo.questions import questions
from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.frames import frames_of
from graftage.backend.query import Query, QueryRequest, Result, TimeRange
from graftage.data.frame import Frame
from graftage.host.executable import find_executable
from graftage.host.launch import LaunchOptions, launch
from graftage.host.plugin_json import read_plugin_json
from support.frames import plain

EXAMPLES = Path(__file__).parents[2] / "examples"
SPAN = TimeRange(1_555_324_640_000, 1_555_328_240_000, "now-1h", "now")


@dataclass(frozen=True)
class Example:
    """What a plugin is asked. backend: what it gets its data from; gives its url."""

    models: Sequence[Mapping[str, Any]]
    backend: Callable[[], AbstractContextManager[str]]


ASKED = {
    "simple-json-datasource": Example(
        [question.model for question in questions()] + [{"target": "nobody measures this"}], running_backend
    ),
}
FOLDERS = sorted(path.parent.name for path in EXAMPLES.glob("*/plugin.json"))


@pytest.mark.parametrize("folder", FOLDERS)
class TestAnExample:
    @pytest.fixture
    def url(self, folder: str) -> Iterator[str]:
        with ASKED[folder].backend() as url:
            yield url

    @pytest.fixture
    async def answers(
        self, folder: str, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> dict[int, tuple[Result, ...]]:
        """The results by the version that was spoken."""
        models = {f"Q{number}": model for number, model in enumerate(ASKED[folder].models)}
        answers = {}
        for version in (1, 2):
            monkeypatch.setattr("graftage.host.launch.OFFERED_VERSIONS", (version,))
            answers[version] = await ask(EXAMPLES / folder, url, models, version)
        return answers

    async def test_answers_the_same_frames(self, answers: dict[int, tuple[Result, ...]]) -> None:
        old, new = (
            [shown(frame) for result in answers[version] for frame in frames_of(result)] for version in (1, 2)
        )
        assert old
        assert old == new

    async def test_fails_in_the_same_words(self, answers: dict[int, tuple[Result, ...]]) -> None:
        old, new = ({result.ref_id: result.error for result in answers[version]} for version in (1, 2))
        assert any(old.values())
        assert old == new


async def ask(
    folder: Path, url: str, models: Mapping[str, Mapping[str, Any]], version: int
) -> tuple[Result, ...]:
    plugin = read_plugin_json(folder / "plugin.json")
    executable = find_executable(folder, plugin.executable, platform.system(), platform.machine())
    source = DataSourceSettings(2, 1, "example", plugin.id, url=url, uid="u2")
    queries = tuple(
        Query(ref_id, json.dumps(model), query_type=model.get("queryType", ""))
        for ref_id, model in models.items()
    )
    async with launch(
        executable.path,
        plugin_id=plugin.id,
        options=LaunchOptions(),
        logger=logging.getLogger("test.examples"),
        interpreter=executable.interpreter,
    ) as running:
        assert running.version == version
        return await running.client.query(QueryRequest(SPAN, context_of(source), queries), timeout=20)


def shown(frame: Frame) -> list[tuple[object, ...]]:
    """Its columns. The name of a series is that of its frame in version 1, and of its field in version 2."""
    return [
        (
            (frame.name or field.name) if field.type.is_number else field.name,
            field.type,
            dict(field.labels or {}),
            plain(field),
        )
        for field in frame.fields
    ]

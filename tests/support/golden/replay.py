"""Sends the cases of one scenario, in order, to one fresh server, and watches everything they lead to."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.golden.cases import Case, Request, Scenario, Setup
from support.golden.deliberate import CLIENT_MADE_READ_ONLY, is_about_client_made_read_only
from support.golden.engine import RIGHT_ENGINE, Newer, as_7_5, with_uid
from support.golden.http_call import send
from support.golden.judge import Judgement, Verdict, judge
from support.golden.observation import Answer, Observation
from support.golden.placeholders import Placeholders
from support.golden.run_folder import RunFolder, prepare
from support.golden.server import Server, serve
from support.golden.situation import Situation
from support.golden.upstream import Upstream, upstream
from support.golden.version_2 import as_in_7_5

QUERY_SECONDS = 30.0  # the server's own default, beside what plugins are scripted to sleep
LOG_SECONDS = 5.0  # for lines about a restart that happens behind the last answer
_PLUGIN_SECTION = "plugin."
_MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Twins:
    """Cases of the engine that is right, by scenario, name and how often the name was used before."""

    def __init__(self, scenarios: list[Scenario]) -> None:
        self._cases: dict[tuple[str, str, int], Case] = {}
        self._plugins: dict[str, tuple[str, ...]] = {}
        for scenario in scenarios:
            if scenario.engine == RIGHT_ENGINE:
                self._plugins[scenario.name] = scenario.setup.plugins
                for case, before in _numbered(scenario):
                    self._cases[case.scenario, case.name, before] = case

    def has(self, scenario: Scenario) -> bool:
        """Was this scenario recorded on the engine that is right?"""
        return any(name == scenario.name for name, _, _ in self._cases)

    def setup_of(self, scenario: Scenario) -> Setup:
        """The setup, with all plugins that the engine that is right had: its answers speak of them."""
        own = scenario.setup.plugins
        more = tuple(name for name in self._plugins.get(scenario.name, ()) if name not in own)
        return dataclasses.replace(scenario.setup, plugins=own + more)

    def of(self, scenario: Scenario) -> Iterator[tuple[Case, Case | None]]:
        """Each case of a scenario with its twin."""
        for case, before in _numbered(scenario):
            twin = self._cases.get((case.scenario, case.name, before))
            yield case, twin if twin is not None and _same_request(case, twin) else None


def _numbered(scenario: Scenario) -> Iterator[tuple[Case, int]]:
    used: dict[str, int] = {}
    for case in scenario.cases:
        yield case, used.get(case.name, 0)
        used[case.name] = used.get(case.name, 0) + 1


def _same_request(case: Case, twin: Case) -> bool:
    if case.request is None or twin.request is None:
        return False
    return (case.request.method, case.request.path) == (twin.request.method, twin.request.path)


def replay(scenario: Scenario, twins: Twins) -> list[Judgement]:
    """A judgement for each case of the scenario."""
    setup = twins.setup_of(scenario)
    with _running(setup, QUERY_SECONDS + _longest_sleep(scenario)) as run:
        judgements: list[Judgement] = []
        before: list[Case] = []
        unbuilt: frozenset[str] = run.folder.missing
        for case, twin in twins.of(scenario):
            newer = run.as_7_5(case, twin)
            situation = Situation(newer.case, tuple(before), setup, unbuilt)
            if twin is None and twins.has(scenario) and is_about_client_made_read_only(situation):
                judgement = Judgement(case, Verdict.DELIBERATE, (CLIENT_MADE_READ_ONLY,))
            else:
                judgement = run.judge(situation, newer.reason)
            judgements.append(judgement)
            before.append(newer.case)
            if (
                judgement.verdict is Verdict.NOT_BUILT
                and situation.method in _MUTATING
                and not situation.is_query
            ):
                unbuilt |= {judgement.details[0]}
        return judgements


def _longest_sleep(scenario: Scenario) -> float:
    """Seconds: the recorded servers waited for a plugin however long it took."""
    actions = [(case.plugin_response or {}).get("$action", {}) for case in scenario.cases]
    return max((action.get("sleep_ms", 0) / 1000 for action in actions), default=0.0)


@dataclass(slots=True)
class _Run:
    """One server with everything around it."""

    server: Server
    upstream: Upstream
    placeholders: Placeholders
    folder: RunFolder
    started_at: int
    _read: dict[Path, int] = field(default_factory=dict)

    def as_7_5(self, case: Case, twin: Case | None) -> Newer:
        """The case with what this run knows filled in, as the engine that is right would answer it."""
        fill = self.placeholders.fill_case
        return as_7_5(fill(with_uid(case, twin)), None if twin is None else fill(twin))

    def judge(self, situation: Situation, authority: str) -> Judgement:
        """Send the case, or look at the log; a log may take a moment to say what it has to say."""
        if situation.case.request is not None:
            return judge(situation, self._send(situation.case), authority=authority)
        deadline = time.monotonic() + LOG_SECONDS
        while True:
            judgement = judge(situation, self._look(), authority=authority)
            if judgement.verdict is not Verdict.DIFFERENT or time.monotonic() > deadline:
                return judgement
            time.sleep(0.05)

    def _send(self, case: Case) -> Observation:
        assert case.request is not None
        self.upstream.script = case.upstream_reply
        self.upstream.take()
        for answer_file in self.folder.answers:
            answer_file.write_text(json.dumps(case.plugin_response))
        before = _now_ms()
        answer = None if self.server.address is None else send(self.server.address, case.request)
        after = _now_ms()
        if answer is not None:
            self._learn_key(case, answer)
        return Observation(
            answer=answer,
            plugin_requests=tuple(self._received()),
            upstream_requests=self.upstream.take(),
            sent_at=(before, after),
            started_at=self.started_at,
            log=self.server.log,
            exit_code=self.server.exit_code,
        )

    def _look(self) -> Observation:
        plugins: frozenset[str] = frozenset()
        if self.server.address is not None and self.server.exit_code is None:
            plugins = _plugin_ids(self.server.address)
        return Observation(log=self.server.log, exit_code=self.server.exit_code, plugins=plugins)

    def _received(self) -> Iterator[Any]:
        """What plugins wrote down since the last case."""
        for record in self.folder.records:
            if record.is_file():
                content = record.read_bytes()
                new, self._read[record] = content[self._read.get(record, 0) :], len(content)
                yield from map(as_in_7_5, map(json.loads, new.splitlines()))

    def _learn_key(self, case: Case, answer: Answer) -> None:
        """Keys handed out earlier in a file are called by the role, or the name, they were made for."""
        body = _json(answer.text)
        asked = case.request.json() if case.request else None
        if isinstance(body, Mapping) and isinstance(body.get("key"), str) and isinstance(asked, Mapping):
            for name in (asked.get("role"), asked.get("name")):
                self.placeholders.learn(f"KEY_{str(name).upper()}", body["key"])


@contextmanager
def _running(setup: Setup, query_seconds: float) -> Iterator[_Run]:
    with tempfile.TemporaryDirectory(prefix="golden-") as name, upstream() as behind:
        folder = Path(name).resolve()
        placeholders = Placeholders(
            {
                "UPSTREAM": behind.address,
                "UPPORT": str(behind.server_port),
                "RUNDIR": str(folder),
                "HOME": str(folder / "home"),
            }
        )
        prepared = prepare(folder, setup, placeholders)
        ini = placeholders.fill(setup.ini)
        started_at = _now_ms()
        with serve(
            folder,
            environment=placeholders.fill(setup.env),
            query_seconds=query_seconds,
            plugin_settings={
                section.removeprefix(_PLUGIN_SECTION): table
                for section, table in ini.items()
                if section.startswith(_PLUGIN_SECTION)
            },
        ) as server:
            placeholders.learn("SERVER", server.address or "")
            yield _Run(server, behind, placeholders, prepared, started_at)


def _plugin_ids(address: str) -> frozenset[str]:
    listed = _json(send(address, Request("GET", "/api/plugins")).text)
    return frozenset(one["id"] for one in listed) if isinstance(listed, list) else frozenset()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

"""The areas of the recordings, and how each is replayed. An area is a folder of the recordings."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from support.golden.cases import NotAScenario, Scenario, read_scenario
from support.golden.frames import judge_frames
from support.golden.judge import Verdict
from support.golden.replay import Twins, replay
from support.golden.run_folder import REPOSITORY

RECORDINGS = REPOSITORY / "tests" / "golden"
EXCHANGES = "http-api"
SERVERS_AT_ONCE = 4  # some scenarios mostly wait: for a restart, or for a plugin that never comes up


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case of an area, however the area is replayed. details: why, most telling first."""

    name: str
    verdict: Verdict
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AreaReport:
    """All outcomes of an area."""

    area: str
    outcomes: tuple[Outcome, ...]

    @property
    def counts(self) -> Counter[Verdict]:
        return Counter(outcome.verdict for outcome in self.outcomes)


def recordings() -> Path:
    """Where the recordings are: `$GRAFTAGE_GOLDEN`, seen from the repository, else those in it."""
    return REPOSITORY / (os.environ.get("GRAFTAGE_GOLDEN") or RECORDINGS)


def run_areas(root: Path) -> list[AreaReport]:
    """Replay everything below `root`. Files at its top are exchanges."""
    folders = {entry.name: entry for entry in sorted(root.iterdir()) if entry.is_dir()}
    reports = [
        AreaReport(name, tuple(REPLAYS.get(name, replay_exchanges)(sorted(_files(folder)))))
        for name, folder in sorted(folders.items(), key=lambda item: _place(item[0]))
    ]
    loose = sorted(entry for entry in root.glob("*.json") if entry.is_file())
    return [AreaReport(root.name, tuple(replay_exchanges(loose))), *reports] if loose else reports


def replay_exchanges(files: Sequence[Path]) -> Iterable[Outcome]:
    """HTTP exchanges: each file against a fresh server. A file that cannot be read is a difference, never
    skipped.
    """
    scenarios: list[Scenario] = []
    for file in files:
        if file.suffix == ".json":
            try:
                scenarios.append(read_scenario(file))
            except NotAScenario as error:
                yield Outcome(str(file), Verdict.DIFFERENT, (str(error),))
    twins = Twins(scenarios)
    with ThreadPoolExecutor(SERVERS_AT_ONCE) as pool:
        for judgements in pool.map(lambda scenario: replay(scenario, twins), scenarios):
            for judgement in judgements:
                yield Outcome(judgement.case.label, judgement.verdict, judgement.details)


def replay_frames(files: Sequence[Path]) -> Iterable[Outcome]:
    """Recorded Arrow files, each read and written as JSON."""
    return itertools.starmap(Outcome, judge_frames(files))


def _not_built(feature: str) -> Callable[[Sequence[Path]], Iterable[Outcome]]:
    def replay_none(files: Sequence[Path]) -> Iterable[Outcome]:
        return (Outcome(file.name, Verdict.NOT_BUILT, (feature,)) for file in files if file.stem != "README")

    return replay_none


# One function an area, from its files to its outcomes.
REPLAYS: dict[str, Callable[[Sequence[Path]], Iterable[Outcome]]] = {
    EXCHANGES: replay_exchanges,
    "alerting": _not_built("alert rules"),
    "frames": replay_frames,
}


def _place(area: str) -> tuple[int, str]:
    """Known areas in the order above, others after them."""
    return (list(REPLAYS).index(area) if area in REPLAYS else len(REPLAYS)), area


def _files(folder: Path) -> Iterable[Path]:
    return (entry for entry in folder.rglob("*") if entry.is_file())

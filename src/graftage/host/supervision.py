"""When a plugin's process is started, and started again.

    state         event          next state
    -----------   ------------   --------------------------------------------------
    starting      started        running
    starting      start failed   backing off; failed if hopeless or often enough
    running       exited         backing off; failed if often enough
    backing off   due            starting
    failed        due            starting
    any           stop asked     stopped

The first start is treated like every later one: if it fails, it is tried again. The wait before the next
start doubles with each failure in a row, from `BackOff.first` (1 s, as quick as Grafana is) to
`BackOff.longest` (60 s). A failure is a start that did not succeed, or a process that ended, with whatever
status, before it was up for `BackOff.steady` (60 s); the end of a process that was up for longer counts as
the first failure.

A plugin is *failed* once the wait has grown to its longest, or at once when the same start could only fail
again: no file to launch, or one for another protocol. It is still tried, after the longest wait, since
somebody may have repaired it meanwhile. What differs is that a query to a plugin that is starting or backing
off waits for it, while a query to one that has failed or was stopped is told so at once. Only `stopped` is
final.

Source of the reaction within a second: Grafana, pkg/plugins/backendplugin/manager, which looks once a second
and knows neither back-off nor a second try of a first start.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """Where a plugin's process stands."""

    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing off"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """How one plugin is doing.

    since: when it came into this state. pid: None while there is no process, and for one that runs elsewhere.
    address: where that is; empty for a plugin of this machine.
    restarts: how often it was started again, with success or without.
    last_exit: how its last process ended, such as ``signal 9 (SIGKILL)``; empty when none has ended yet.
    stderr_tail: the last lines of its process, or of the one before it while there is none.
    reason: why it does not run; empty when it does.
    """

    id: str
    version: str
    state: State
    since: datetime
    pid: int | None = None
    restarts: int = 0
    last_exit: str = ""
    stderr_tail: tuple[str, ...] = ()
    reason: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait before the next start, in seconds.

    jitter: the share of each wait that is left to chance, so that plugins that died together (of one database
    that went away, say) do not all come back together. It only ever shortens a wait.
    """

    first: float = 1.0
    longest: float = 60.0
    steady: float = 60.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.longest:
            raise ValueError(f"the first wait must be above 0 and at most the longest: {self}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is a share from 0 to 1: {self}")

    def wait(self, failures: int) -> float:
        """The longest that the wait after so many failures in a row can be."""
        doublings = min(failures - 1, 1000)  # a float holds no more of them
        return min(self.longest, self.first * 2.0**doublings)


@dataclass(frozen=True, slots=True)
class Started:
    """The process answers."""


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The start failed. hopeless: with the same files the next one can only fail, too."""

    hopeless: bool = False


@dataclass(frozen=True, slots=True)
class Exited:
    """The process has ended by itself, `lived` seconds after it was started."""

    lived: float


@dataclass(frozen=True, slots=True)
class Due:
    """The wait is over."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The host wants the plugin no more."""


Event = Started | NotStarted | Exited | Due | StopAsked


@dataclass(frozen=True, slots=True)
class Standing:
    """A plugin's state, how many failures in a row led to it, and how many seconds it waits for `Due`."""

    state: State = State.STARTING
    failures: int = 0
    wait: float = 0.0


def next_standing(now: Standing, event: Event, policy: BackOff, chance: float) -> Standing:
    """Where a plugin stands after `event`. chance: a random number from 0 up to 1."""
    match now.state, event:
        case _, StopAsked():
            return Standing(State.STOPPED, now.failures)
        case State.STARTING, Started():
            return Standing(State.RUNNING, now.failures)
        case State.STARTING, NotStarted(hopeless=hopeless):
            return _after_failure(now.failures + 1, policy, chance, hopeless=hopeless)
        case State.RUNNING, Exited(lived=lived):
            failures = 1 if lived >= policy.steady else now.failures + 1
            return _after_failure(failures, policy, chance, hopeless=False)
        case ((State.BACKING_OFF | State.FAILED), Due()):
            return Standing(State.STARTING, now.failures)
        case _:
            raise ValueError(f"{event} cannot happen to a plugin that is {now.state}")


def _after_failure(failures: int, policy: BackOff, chance: float, *, hopeless: bool) -> Standing:
    longest = policy.longest if hopeless else policy.wait(failures)
    state = State.FAILED if longest >= policy.longest else State.BACKING_OFF
    return Standing(state, failures, longest * (1 - policy.jitter * chance))

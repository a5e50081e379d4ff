"""Recorded scenarios as values. The README beside the recordings is the source of the format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Keys of a recorded response that describe a body which was not too long to keep.
_PLAIN_RESPONSE_KEYS = frozenset(
    {"status", "content_type", "headers", "body", "body_text", "body_note", "note"}
)


class NotAScenario(Exception):
    """The file is no list of recorded cases."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What the server was given before it started; paths are relative to the run folder.

    anonymous_role: None where nobody got in without credentials.
    """

    anonymous_role: str | None = "Admin"
    plugins: tuple[str, ...] = ()
    ini: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    symlinks: Mapping[str, str] = field(default_factory=dict)
    app_mode: str = "production"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. body: the exact text; None for no body."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None

    @property
    def route(self) -> str:
        """The path without its query string."""
        return self.path.partition("?")[0]

    def json(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return json.loads(self.body or "")
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer. status 0: the connection was closed without one.

    body_text: None where the recording kept only parts of a long body, which `parts` then holds.
    """

    status: int
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body_text: str | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return json.loads(self.body_text or "")
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded exchange, or what the log and the exit status were.

    sent_at: the recorder's clock before and after, in milliseconds since 1970; None where it did not matter.
    """

    name: str
    engine: str
    scenario: str
    seq: int
    setup: Setup | None = None
    request: Request | None = None
    response: Response | None = None
    plugin_response: Any = None
    plugin_request: Any = None
    upstream_requests: tuple[Mapping[str, Any], ...] | None = None
    upstream_reply: Mapping[str, Any] | None = None
    volatile: tuple[str, ...] = ()
    sent_at: tuple[int, int] | None = None
    log: tuple[str, ...] | None = None
    exit_code: int | None = None

    @property
    def label(self) -> str:
        return f"{self.scenario}.{self.engine} #{self.seq} {self.name!r}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """The cases of one file, in the order in which they were sent to one server that began empty."""

    path: Path
    cases: tuple[Case, ...]

    @property
    def setup(self) -> Setup:
        return self.cases[0].setup or Setup()

    @property
    def engine(self) -> str:
        return self.cases[0].engine

    @property
    def name(self) -> str:
        return self.cases[0].scenario


def read_scenario(path: Path) -> Scenario:
    """Read one file. Raises NotAScenario with the reason."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, list) or not content:
            raise NotAScenario(f"{path}: expected a list of cases")
        return Scenario(path, tuple(_case(entry) for entry in content))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotAScenario(f"{path}: {type(error).__name__}: {error}") from error


def _case(entry: Mapping[str, Any]) -> Case:
    setup, request, response, sent = (
        entry.get(key) for key in ("setup", "request", "response", "sent_at_ms")
    )
    upstream, log = entry.get("upstream_requests"), entry.get("log")
    return Case(
        name=entry["name"],
        engine=entry["engine"],
        scenario=entry["scenario"],
        seq=entry["seq"],
        setup=None if setup is None else _setup(setup),
        request=None if request is None else _request(request),
        response=None if response is None else _response(response),
        plugin_response=entry.get("plugin_response"),
        plugin_request=entry.get("plugin_request"),
        upstream_requests=None if upstream is None else tuple(upstream),
        upstream_reply=entry.get("upstream_reply"),
        volatile=tuple(entry.get("volatile", ())),
        sent_at=None if sent is None else (sent[0], sent[1]),
        log=None if log is None else tuple(log),
        exit_code=entry.get("exit_code"),
    )


def _setup(entry: Mapping[str, Any]) -> Setup:
    return Setup(
        anonymous_role=entry.get("anonymous_role"),
        plugins=tuple(entry.get("plugins") or ()),
        ini=entry.get("ini") or {},
        env=entry.get("env") or {},
        files=entry.get("files") or {},
        symlinks=entry.get("symlinks") or {},
        app_mode=entry.get("app_mode") or "production",
    )


def _request(entry: Mapping[str, Any]) -> Request:
    return Request(entry["method"], entry["path"], _pairs(entry.get("headers")), _body(entry))


def _body(entry: Mapping[str, Any]) -> str | None:
    """The text that was sent: `body_text`, else the compact JSON of `body`; a `body` of null is the text
    `null`.
    """
    if "body_text" in entry:
        return str(entry["body_text"])
    if "body" in entry:
        return json.dumps(entry["body"], ensure_ascii=False, separators=(",", ":"))
    return None


def _response(entry: Mapping[str, Any]) -> Response:
    return Response(
        status=entry["status"],
        content_type=entry.get("content_type"),
        headers=_pairs(entry.get("headers")),
        body_text=entry.get("body_text"),
        parts={key: value for key, value in entry.items() if key not in _PLAIN_RESPONSE_KEYS},
    )


def _pairs(headers: Any) -> tuple[tuple[str, str], ...]:
    """Headers from either form of the recordings, an object or a list of pairs."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    return tuple((str(name), str(value)) for name, value in pairs)

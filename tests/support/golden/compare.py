"""What an answer should look like, and where one does not.

An `Expectation` comes from a recorded case; the rules of `deliberate` may replace parts of it. Comparing it
with an `Observation` yields complaints, the first of which is what a person wants to read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from support.golden import json_text
from support.golden.cases import Case, Response
from support.golden.observation import Answer, Observation
from support.golden.placeholders import NOW_MS
from support.golden.times import reading

# Looks at a text; None, or a sentence about what is wrong with it.
Check = Callable[[str], str | None]

# What the connection needs, and what every server says of itself. The content type is compared on its own.
_IGNORED_HEADERS = frozenset(
    {"transfer-encoding", "date", "content-length", "server", "connection", "keep-alive", "content-type"}
)
_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one case must lead to. None: not looked at.

    recorded_at: when the recorded moments in `plugin_requests` were sent, to judge those relative to a clock.
    log: looks at the whole log of the server. running: what must hold of the server process.
    plugins: ids that `/api/plugins` must list, for a case without a request.
    """

    status: int | None = None
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] | None = None
    volatile_headers: frozenset[str] = frozenset()
    body: Check | None = None
    plugin_requests: tuple[Any, ...] | None = None
    recorded_at: tuple[int, int] | None = None
    upstream_requests: tuple[Mapping[str, Any], ...] | None = None
    log: Check | None = None
    exit_code: int | None = None
    plugins: frozenset[str] = frozenset()


def recorded(case: Case) -> Expectation:
    """The expectation that everything is exactly as it was recorded."""
    log = None if case.log is None else has_lines(case.log)
    if case.request is None or case.response is None:
        return Expectation(log=log, exit_code=case.exit_code)
    return Expectation(
        status=case.response.status,
        content_type=case.response.content_type,
        headers=case.response.headers,
        volatile_headers=frozenset(
            pointer.partition(":")[2].lower() for pointer in case.volatile if pointer.startswith("header:")
        ),
        body=recorded_body(case.response, case.volatile),
        plugin_requests=() if case.plugin_request is None else (case.plugin_request,),
        recorded_at=case.sent_at,
        upstream_requests=case.upstream_requests,
        log=log,
    )


def recorded_body(response: Response, volatile: Sequence[str]) -> Check | None:
    """The body that was recorded, or what was kept of it; None for a page of which nothing was kept."""
    if response.parts:
        return has_parts(response.parts)
    if response.body_text is None:
        return None
    pointers = [pointer for pointer in volatile if pointer.startswith("/")]
    return same_json(response.body_text, pointers) if pointers else exactly(response.body_text)


def complaints(expected: Expectation, seen: Observation) -> list[str]:
    """Everything in which the observation is not what was expected."""
    found = list(_answer_complaints(expected, seen.answer)) if expected.status is not None else []
    if expected.plugin_requests is not None:
        found += _plugin_complaints(expected, seen)
    if expected.upstream_requests is not None:
        found += _upstream_complaints(expected.upstream_requests, seen.upstream_requests)
    if expected.log is not None and (complaint := expected.log(seen.log)):
        found.append(f"log: {complaint}")
    if expected.exit_code != seen.exit_code:
        said = " / ".join(seen.log.splitlines()[-3:])
        found.append(f"the server's exit: expected {expected.exit_code}, got {seen.exit_code}: {said}")
    if missing := expected.plugins - seen.plugins:
        found.append(f"/api/plugins does not list {sorted(missing)}; it lists {sorted(seen.plugins)}")
    return found


def _answer_complaints(expected: Expectation, answer: Answer | None) -> Iterable[str]:
    if answer is None:
        yield "no request was sent: the server was not running"
        return
    if answer.status != expected.status:
        yield f"status: expected {expected.status}, got {answer.status} with {_short(answer.text)}"
    if expected.body is not None and (complaint := expected.body(answer.text)):
        yield f"body: {complaint}"
    if expected.status == 0:
        return
    if answer.content_type != expected.content_type:
        yield f"content type: expected {expected.content_type!r}, got {answer.content_type!r}"
    if expected.headers is not None:
        wanted, got = (
            _compared(headers, expected.volatile_headers) for headers in (expected.headers, answer.headers)
        )
        if wanted != got:
            yield f"headers: missing {sorted(wanted - got)}, not expected {sorted(got - wanted)}"


def _compared(
    headers: Iterable[tuple[str, str]], volatile: frozenset[str]
) -> frozenset[tuple[str, str, int]]:
    """Headers as a set that ignores order but not repetition."""
    kept = [
        (name.lower(), "…" if name.lower() in volatile else value)
        for name, value in headers
        if name.lower() not in _IGNORED_HEADERS
    ]
    return frozenset((name, value, kept.count((name, value))) for name, value in kept)


def _plugin_complaints(expected: Expectation, seen: Observation) -> Iterable[str]:
    wanted, got = expected.plugin_requests or (), seen.plugin_requests
    if len(wanted) != len(got):
        shown = _short(json_text.dump(list(got)))
        yield f"the plugin was called {len(got)} times, expected {len(wanted)}: {shown}"
        return
    window = (seen.started_at, seen.sent_at[1])
    # Several data sources are asked at once: their order means nothing.
    pairs = zip(sorted(wanted, key=_data_source_id), sorted(got, key=_data_source_id), strict=True)
    for one, other in pairs:
        complaint = difference(_without_moments(one), _without_moments(other), window=window)
        complaint = complaint or _moment_complaint(one, other, expected.recorded_at, seen.sent_at)
        if complaint:
            yield f"plugin request: {complaint}"


def _data_source_id(request: Any) -> str:
    return str(request.get("datasource", {}).get("id")) if isinstance(request, Mapping) else ""


_MOMENTS = {"fromEpochMs": ("fromRaw", False), "toEpochMs": ("toRaw", True)}


def _without_moments(request: Any) -> Any:
    if not isinstance(request, Mapping) or not isinstance(request.get("timeRange"), Mapping):
        return request
    texts = {key: value for key, value in request["timeRange"].items() if key not in _MOMENTS}
    return {**request, "timeRange": texts}


def _moment_complaint(
    wanted: Any, got: Any, recorded_at: tuple[int, int] | None, sent_at: tuple[int, int]
) -> str | None:
    """Are the moments of a plugin request the recorded ones, or as far from the clock as those were?"""
    for key, (raw, end) in _MOMENTS.items():
        if not isinstance(wanted, Mapping) or key not in wanted.get("timeRange", {}):
            continue
        text, moment, actual = (
            wanted["timeRange"][raw],
            int(wanted["timeRange"][key]),
            int(got["timeRange"][key]),
        )
        low, high = moment_window(text, moment, recorded_at, sent_at, end=end)
        if not low <= actual <= high:
            span = f"{low}" if low == high else f"{low} to {high}"
            return f"{key} of {text!r}: expected {span}, got {actual}"
    return None


def moment_window(
    text: str, moment: int, recorded_at: tuple[int, int] | None, sent_at: tuple[int, int], *, end: bool
) -> tuple[int, int]:
    """Where our moment must lie: where the text points from our clock, if the recorded moment is where it
    points from the recorder's; else at the recorded moment itself."""
    if recorded_at is None:
        return moment, moment
    then = [reading(text, stamp, end=end) for stamp in recorded_at]
    now = [reading(text, stamp, end=end) for stamp in sent_at]
    if then[0] is None or then[1] is None or now[0] is None or now[1] is None:
        return moment, moment
    return (now[0], now[1]) if then[0] <= moment <= then[1] else (moment, moment)


_WHAT = ("method", "path", "body")


def _what(request: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(request.get(key)) for key in _WHAT)


def _upstream_complaints(
    wanted: Sequence[Mapping[str, Any]], got: Sequence[Mapping[str, Any]]
) -> Iterable[str]:
    if len(wanted) != len(got):
        yield f"the upstream server was asked {len(got)} times, expected {len(wanted)}"
        return
    # A plugin asks for several queries at once: nobody can say which request arrives first.
    for one, other in zip(sorted(wanted, key=_what), sorted(got, key=_what), strict=True):
        for key in _WHAT:
            if one.get(key) != other.get(key):
                yield f"upstream {key}: expected {one.get(key)!r}, got {other.get(key)!r}"
        if "headers" not in one:
            continue
        mine, theirs = (_compared(map(tuple, request["headers"]), frozenset()) for request in (one, other))
        if mine != theirs:
            yield f"upstream headers: missing {sorted(mine - theirs)}, not expected {sorted(theirs - mine)}"


def difference(
    wanted: Any, got: Any, place: str = "", *, window: tuple[int, int] | None = None
) -> str | None:
    """The first place where two JSON values differ; `window` is where a time of writing may lie."""
    if wanted == NOW_MS and window is not None:
        inside = str(got).isdigit() and window[0] <= int(got) <= window[1]
        return None if inside else f"at {place}: expected a time of writing in {window}, got {got!r}"
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        for key in sorted({*wanted, *got}):
            if key not in wanted or key not in got:
                return f"at {place}/{key}: " + (
                    "missing" if key in wanted else f"not expected: {_short(str(got[key]))}"
                )
            if found := difference(wanted[key], got[key], f"{place}/{key}", window=window):
                return found
        return None
    if isinstance(wanted, list | tuple) and isinstance(got, list | tuple):
        for index, (one, other) in enumerate(zip(wanted, got, strict=False)):
            if found := difference(one, other, f"{place}/{index}", window=window):
                return found
        return (
            None
            if len(wanted) == len(got)
            else f"at {place}: expected {len(wanted)} elements, got {len(got)}"
        )
    if type(wanted) is type(got) and wanted == got:
        return None
    return f"at {place or '/'}: expected {_short(repr(wanted))}, got {_short(repr(got))}"


def exactly(text: str) -> Check:
    """The very text."""

    def check(got: str) -> str | None:
        return (
            None
            if got == text
            else f"expected {_short(text)}, got {_short(got, around=_first_difference(text, got))}"
        )

    return check


def same_json(text: str, volatile: Sequence[str] = ()) -> Check:
    """The same JSON, in the same order of keys and the same letters of numbers, whatever stands at the
    volatile places.
    """

    def masked(value: str) -> str:
        parsed = json_text.parse(value)
        for pointer in volatile:
            json_text.put(parsed, pointer, "…")
        return json_text.dump(parsed)

    def check(got: str) -> str | None:
        try:
            return exactly(masked(text))(masked(got))
        except ValueError:
            return f"expected JSON, got {_short(got)}"

    return check


def has_lines(lines: Sequence[str]) -> Check:
    """Every line, somewhere."""

    def check(log: str) -> str | None:
        return next((f"no line {_short(line)}" for line in lines if line not in log), None)

    return check


def has_parts(parts: Mapping[str, Any]) -> Check:
    """What was kept of a body that was too long to keep."""

    def check(got: str) -> str | None:
        for key, value in parts.items():
            if complaint := _part_complaint(key, value, got):
                return f"{key}: {complaint}"
        return None

    return check


def _part_complaint(key: str, wanted: Any, got: str) -> str | None:
    if key == "names":
        missing = set(wanted) - metric_names(got)
        return f"missing {sorted(missing)}" if missing else None
    if key == "lines_about_plugins":
        have = {_masked_line(line) for line in got.splitlines()} | set(got.splitlines())
        return next((f"no line {line}" for line in wanted if line not in have), None)
    try:
        value = json_text.parse(got)
    except ValueError:
        return f"expected JSON, got {_short(got)}"
    if key in {"ids", "plugins"}:
        return difference(wanted, [_projected(one, wanted) for one in value])
    if not isinstance(value, dict) or key not in value:
        return "missing"
    return difference(json_text.parse(json_text.dump(wanted)), value[key])


def metric_names(exposition: str) -> set[str]:
    """The names that a Prometheus text declares."""
    return set(re.findall(r"^# TYPE (\S+) ", exposition, re.MULTILINE))


def _masked_line(line: str) -> str:
    """A line of Prometheus text whose value differs from run to run."""
    return line if line.startswith("#") else re.sub(r" \S+$", " #", line)


def _projected(plugin: Mapping[str, Any], like: Sequence[Any]) -> Any:
    """What a recording kept of a list of plugins: ids, ids with signatures, or some of the keys."""
    form = like[0] if like else ""
    if isinstance(form, Mapping):
        known = {**plugin, "version": plugin.get("info", {}).get("version")}
        return {key: known.get(key) for key in form}
    return [plugin.get("id"), plugin.get("signature")] if isinstance(form, list) else plugin.get("id")


def _first_difference(one: str, other: str) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _short(text: str, *, around: int = 0) -> str:
    start = max(0, around - _SHOWN // 2) if around > _SHOWN else 0
    return ("…" if start else "") + text[start : start + _SHOWN] + ("…" if len(text) > start + _SHOWN else "")

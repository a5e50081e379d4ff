"""Asking every data source of a request at once, and making one answer of what they say.

Where Grafana answers any failed call with one text and nothing else, the answer here keeps what did succeed
and says under each `ref_id` what went wrong.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from graftage.backend.query import QueryRequest, Result
from graftage.errors import (
    ERROR_CHARACTERS,
    CallFailed,
    GraftageError,
    PluginTimeout,
    for_log,
    shortened,
)

CALL_FAILED: Final = "Metric request error"

# Data sources, of one request. A request that names hundreds shall not keep others from being answered.
MOST_AT_ONCE: Final = 8

# The gRPC status of a plugin whose own deadline passed; for the caller that is the same as ours.
_DEADLINE_EXCEEDED: Final = "DEADLINE_EXCEEDED"

_log = logging.getLogger(__name__)


class Ask(Protocol):
    """One call to one plugin; `Host.query` is one. Raises a GraftageError when the call as a whole fails."""

    async def __call__(
        self, plugin_id: str, request: QueryRequest, *, timeout: float
    ) -> tuple[Result, ...]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What all data sources said, by `ref_id`.

    status: 200; 400 when a result holds an error; 504 when a plugin did not answer in time; 500 when a call
    failed otherwise. Of several the gravest counts: 500, then 504, then 400, so that a client which tries 504
    again does not do so for a call that would fail again. message: empty with 200.
    """

    results: Mapping[str, Result]
    status: int = 200
    message: str = ""


async def execute(requests: Sequence[QueryRequest], *, ask: Ask, timeout: float) -> Answer:
    """Ask the plugin of each request, MOST_AT_ONCE of them at a time, `timeout` seconds each at most.

    Cancelling this cancels every call.
    """
    if len(requests) == 1:
        return _answer([await _outcome(requests[0], ask, timeout)])
    turns = asyncio.Semaphore(MOST_AT_ONCE)

    async def in_turn(request: QueryRequest) -> _Outcome:
        async with turns:
            return await _outcome(request, ask, timeout)

    async with asyncio.TaskGroup() as calls:
        tasks = [calls.create_task(in_turn(request)) for request in requests]
    return _answer([task.result() for task in tasks])


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How the call for one request ended: with results, or with an error."""

    request: QueryRequest
    results: tuple[Result, ...] = ()
    failure: GraftageError | None = None


async def _outcome(request: QueryRequest, ask: Ask, timeout: float) -> _Outcome:
    source = request.data_source
    try:
        return _Outcome(request, await ask(source.type, request, timeout=timeout))
    except GraftageError as failure:
        _log.error("%s: data source %d (%s): %s", CALL_FAILED, source.id, source.type, for_log(failure))
        return _Outcome(request, failure=failure)


def _answer(outcomes: Sequence[_Outcome]) -> Answer:
    results = {result.ref_id: result for outcome in outcomes for result in _results(outcome)}
    if len(outcomes) > 1:
        # A result that nobody asked this data source for must not hide the one another was asked for.
        for outcome in outcomes:
            asked = {query.ref_id for query in outcome.request.queries}
            results |= {result.ref_id: result for result in _results(outcome) if result.ref_id in asked}

    failures = [outcome.failure for outcome in outcomes if outcome.failure is not None]
    if failures:
        return Answer(results, 504 if all(map(_too_late, failures)) else 500, CALL_FAILED)
    errors = [results[ref_id].error for ref_id in sorted(results) if results[ref_id].error]
    if errors:
        return Answer(results, 400, errors[0])
    return Answer(results)


def _results(outcome: _Outcome) -> Sequence[Result]:
    """What a call answered; for one that failed, its error under each `ref_id` that was asked.

    Errors longer than ERROR_CHARACTERS are cut: no panel shows more, and one may stand under many queries.
    """
    if outcome.failure is None:
        return [_with_short_error(result) for result in outcome.results]
    failure = outcome.failure
    return [
        Result(
            query.ref_id,
            error=shortened(str(failure), ERROR_CHARACTERS),
            status=504 if _too_late(failure) else 500,
            error_source=failure.error_source if isinstance(failure, CallFailed) else "",
        )
        for query in outcome.request.queries
    ]


def _with_short_error(result: Result) -> Result:
    if len(result.error) <= ERROR_CHARACTERS:
        return result
    return replace(result, error=shortened(result.error, ERROR_CHARACTERS))


def _too_late(failure: GraftageError) -> bool:
    return isinstance(failure, PluginTimeout) or (
        isinstance(failure, CallFailed) and failure.status == _DEADLINE_EXCEEDED
    )

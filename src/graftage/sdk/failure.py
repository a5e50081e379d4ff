"""What a failure looks like from outside: a text for the user, a status of HTTP, and whose fault it is.

    raised                                            status   source
    PluginError, DownstreamError                      theirs   theirs
    asyncio.CancelledError                            499      downstream
    TimeoutError                                      504      downstream
    ConnectionError, gaierror, SSLError               502      downstream
    PermissionError                                   401      plugin
    with .response.status_code or .status             that     by the status
    anything else                                     500      plugin

Exceptions that were raised from one of these (`raise ... from error`) are as that one. Nothing is imported to
know those of HTTP libraries.

Source: grafana/grafana-plugin-sdk-go, backend/data.go (statuses) and experimental/status (sources).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from graftage.errors import GraftageError
from graftage.sdk.errors import LAST_STATUS, PluginError
from graftage.sdk.log import blotted, error_text

PLUGIN, DOWNSTREAM = "plugin", "downstream"
OK = 200
INTERNAL = 500
CANCELLED = "cancelled inside the plugin"

# Statuses of a remote system that mean that it was asked in a wrong way.
_OUR_FAULT = frozenset({405, 406, 412, 413, 414, 416, 417, 426, 431, 501})
_FIRST_ERROR = 400
_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
_TRACEBACK = "Traceback (most recent call last):"
_MOST_CAUSES = 8


class Blame(NamedTuple):
    """status: by the codes of HTTP. source: `plugin` or `downstream`."""

    status: int
    source: str


UNFORESEEN = Blame(INTERNAL, PLUGIN)
# Errors of libraries that are no children of Python's own, by package and class.
_KNOWN = {
    ("httpx", "TimeoutException"): Blame(504, DOWNSTREAM),
    ("httpx", "TransportError"): Blame(502, DOWNSTREAM),
    ("requests", "Timeout"): Blame(504, DOWNSTREAM),
    ("requests", "ConnectionError"): Blame(502, DOWNSTREAM),
    ("urllib3", "TimeoutError"): Blame(504, DOWNSTREAM),
    ("urllib3", "MaxRetryError"): Blame(502, DOWNSTREAM),
    ("aiohttp", "ClientConnectionError"): Blame(502, DOWNSTREAM),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """text: for the user; neither a traceback nor a secret."""

    text: str
    blame: Blame = UNFORESEEN


class CallBroken(Exception):
    """A call failed as a whole. It is logged already; the failure is what the host may know of it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


def failure_of(error: BaseException, *, secrets: Iterable[str] = (), hiding: str = "") -> Failure:
    """What the user gets to see of an error.

    secrets: values that must not show. hiding: what the operator wants to be said instead of errors that
    nobody foresaw; empty for nothing.
    """
    blame = blame_of(error)
    if isinstance(error, asyncio.CancelledError):
        return Failure(CANCELLED, blame)
    if hiding and blame == UNFORESEEN and not is_meant_for_users(error):
        return Failure(hiding, blame)
    text = error_text(error).partition(_TRACEBACK)[0].rstrip()
    return Failure(blotted(text, secrets) or type(error).__name__, blame)


def is_meant_for_users(error: BaseException) -> bool:
    """Was the text written for whoever sees the panel? Those of this package say what to do next."""
    return isinstance(error, GraftageError)


def blame_of(error: BaseException) -> Blame:
    """Status and source of an error, by itself or by what it was raised from."""
    known = next((blame for cause in _causes(error) if (blame := _own_blame(cause))), UNFORESEEN)
    if not isinstance(error, PluginError):
        return known
    return Blame(error.status or known.status, error.source)


def source_by_status(status: int) -> str:
    """Whose fault it is that a remote system answered with this status."""
    return PLUGIN if status in _OUR_FAULT else DOWNSTREAM


def _own_blame(error: BaseException) -> Blame | None:
    match error:
        case asyncio.CancelledError():
            return Blame(499, DOWNSTREAM)
        case TimeoutError():
            return Blame(504, DOWNSTREAM)
        case ConnectionError() | socket.gaierror() | ssl.SSLError():
            return Blame(502, DOWNSTREAM)
        case OSError(errno=number) if number in _UNREACHABLE:
            return Blame(502, DOWNSTREAM)
        case PermissionError():
            return Blame(401, PLUGIN)
        case PluginError():
            return Blame(error.status, error.source) if error.status else None
    status = _status_told_by(error)
    if status is not None:
        return Blame(status, source_by_status(status))
    packages = ((kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__)
    return next((_KNOWN[name] for name in packages if name in _KNOWN), None)


def _status_told_by(error: BaseException) -> int | None:
    """The status of the HTTP answer that an exception of httpx, requests, aiohttp or urllib is about."""
    try:
        response = getattr(error, "response", None)
        told = [getattr(response, "status_code", None), getattr(response, "status", None)]
        told.append(getattr(error, "status", None))
    except Exception:  # an attribute that cannot be read: httpx raises where there is no response
        return None
    numbers = (status for status in told if isinstance(status, int) and not isinstance(status, bool))
    return next((int(status) for status in numbers if _FIRST_ERROR <= status <= LAST_STATUS), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from; what `urllib` wraps is its reason."""
    for _ in range(_MOST_CAUSES):
        yield error
        reason = getattr(error, "reason", None)
        cause = error.__cause__ or (reason if isinstance(reason, BaseException) else None)
        if cause is None:
            return
        error = cause

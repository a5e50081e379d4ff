"""What the user sees of an error, with which status, and who is to blame."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import urllib.error
from email.message import Message
from types import SimpleNamespace

import httpx
import pytest

from graftage.errors import PluginFault, SettingsError
from graftage.sdk.errors import DownstreamError, PluginError
from graftage.sdk.failure import Blame, blame_of, failure_of, source_by_status


class Odd(Exception):
    """Like those of HTTP libraries."""

    def __init__(self, **attributes: object) -> None:
        super().__init__("odd")
        vars(self).update(attributes)


def raised_from(cause: BaseException, error: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "status", "source"),
    [
        (ValueError("no"), 500, "plugin"),
        (PluginFault("no"), 500, "plugin"),
        (PluginError("no"), 500, "plugin"),
        (PluginError("no", status=400), 400, "plugin"),
        (DownstreamError("no"), 500, "downstream"),
        (DownstreamError("no", status=404), 404, "downstream"),
        (TimeoutError(), 504, "downstream"),
        (socket.timeout(), 504, "downstream"),  # noqa: UP041 - an author's code may still call it so
        (ConnectionRefusedError(), 502, "downstream"),
        (ConnectionResetError(), 502, "downstream"),
        (socket.gaierror(-2, "Name or service not known"), 502, "downstream"),
        (ssl.SSLCertVerificationError("self-signed"), 502, "downstream"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), 502, "downstream"),
        (OSError(errno.ENOSPC, "disk full"), 500, "plugin"),
        (PermissionError(), 401, "plugin"),
        (asyncio.CancelledError(), 499, "downstream"),
        (SystemExit(3), 500, "plugin"),
        (Odd(response=SimpleNamespace(status_code=404)), 404, "downstream"),
        (Odd(response=SimpleNamespace(status_code=405)), 405, "plugin"),
        (Odd(response=SimpleNamespace(status_code=200)), 500, "plugin"),
        (Odd(response=SimpleNamespace(status_code="404")), 500, "plugin"),
        (Odd(status=503), 503, "downstream"),
        (Odd(status=True), 500, "plugin"),
        (Odd(status=700), 500, "plugin"),
        (urllib.error.HTTPError("http://a", 403, "Forbidden", Message(), None), 403, "downstream"),
        (urllib.error.URLError(ConnectionRefusedError()), 502, "downstream"),
        (httpx.ReadTimeout("slow"), 504, "downstream"),
        (httpx.ConnectError("refused"), 502, "downstream"),
        (raised_from(TimeoutError(), RuntimeError("wrapped")), 504, "downstream"),
        (raised_from(TimeoutError(), PluginError("too slow")), 504, "plugin"),
        (raised_from(TimeoutError(), DownstreamError("too slow", status=418)), 418, "downstream"),
        (raised_from(DownstreamError("no", status=404), RuntimeError("wrapped")), 404, "downstream"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_status_and_source_follow_from_the_exception(error: BaseException, status: int, source: str) -> None:
    assert blame_of(error) == Blame(status, source)


def test_an_error_of_httpx_has_the_status_of_its_answer() -> None:
    request = httpx.Request("GET", "http://a")

    with pytest.raises(httpx.HTTPStatusError) as raised:
        httpx.Response(429, request=request).raise_for_status()

    assert blame_of(raised.value) == Blame(429, "downstream")


def test_what_went_wrong_while_an_error_was_handled_is_a_mistake_of_its_own() -> None:
    def handle_badly() -> None:
        try:
            raise TimeoutError  # noqa: TRY301
        except TimeoutError:
            {}["no such key"]

    with pytest.raises(KeyError) as raised:
        handle_badly()

    assert blame_of(raised.value) == Blame(500, "plugin")


@pytest.mark.parametrize("status", [405, 406, 412, 413, 414, 416, 417, 426, 431, 501])
def test_a_remote_system_that_was_asked_wrongly_is_not_to_blame(status: int) -> None:
    assert source_by_status(status) == "plugin"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504])
def test_for_other_answers_it_is(status: int) -> None:
    assert source_by_status(status) == "downstream"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such city"), "no such city"),
        (ValueError(), "ValueError"),
        (KeyError("city"), "KeyError: 'city'"),
        (asyncio.CancelledError(), "cancelled inside the plugin"),
        (ValueError("bad token hush-hush"), "bad token ***"),
        (ValueError("x is no number"), "x is no number"),
        (ValueError("pass the passport: pass"), "*** the passport: ***"),
        (ValueError("worker died:\nTraceback (most recent call last):\n  File ..."), "worker died:"),
        (ValueError("Traceback (most recent call last):\n  File ..."), "ValueError"),
    ],
)
def test_the_text_has_neither_a_traceback_nor_a_secret(error: BaseException, text: str) -> None:
    assert failure_of(error, secrets=["hush-hush", "x", "pass"]).text == text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ZeroDivisionError("division by zero"), "ask the operator"),
        (PluginError("pick a city first"), "pick a city first"),
        (PluginFault("no handler"), "no handler"),
        (SettingsError("timeout must be a number"), "timeout must be a number"),
        (TimeoutError("too slow"), "too slow"),
        (Odd(status=404), "odd"),
    ],
)
def test_an_operator_hides_only_what_nobody_foresaw(error: BaseException, text: str) -> None:
    assert failure_of(error, hiding="ask the operator").text == text


@pytest.mark.parametrize("status", [0, 99, 600])
def test_an_error_with_a_status_that_http_does_not_have_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match=f"status {status} is none of HTTP"):
        PluginError("no", status=status)

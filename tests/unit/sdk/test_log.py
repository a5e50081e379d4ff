from __future__ import annotations

import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from graftage.sdk import log as logs
from graftage.sdk.log import error_text, log_fields


@pytest.fixture
def records(capfd: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """Reads what was logged since the last time; everything is as it was afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
    root.setLevel(logging.WARNING)
    logs.install()

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capfd.readouterr().err.splitlines()]

    yield read
    logging.captureWarnings(capture=False)
    root.handlers[:], level, sys.excepthook, threading.excepthook = before
    root.setLevel(level)


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (logging.DEBUG, "debug"),
        (logging.INFO, "info"),
        (logging.WARNING, "warn"),
        (logging.ERROR, "error"),
        (logging.CRITICAL, "error"),
    ],
)
def test_a_level_has_its_name_in_the_record(records: Any, level: int, name: str) -> None:
    logging.getLogger("acme.weather").log(level, "rain in %s", "Köln")

    (record,) = records()
    assert record["@level"] == name
    assert record["@message"] == "rain in Köln"
    assert record["@module"] == "acme.weather"
    assert "@timestamp" in record


def test_fields_come_from_the_call_and_from_extra(records: Any) -> None:
    with log_fields(pluginId="acme", refId="A"), log_fields(refId="B"):
        logging.getLogger("x").info("asked", extra={"rows": 3})
    logging.getLogger("x").info("outside")

    inside, outside = records()
    assert (inside["pluginId"], inside["refId"], inside["rows"]) == ("acme", "B", 3)
    assert "refId" not in outside


def test_an_exception_becomes_its_text_and_its_stack(records: Any) -> None:
    try:
        {}["missing"]
    except KeyError:
        logging.getLogger("x").exception("no luck")

    (record,) = records()
    assert record["error"] == "KeyError: 'missing'"
    assert record["stacktrace"].startswith("Traceback (most recent call last):")


def test_wrong_arguments_of_a_format_do_not_lose_the_record(records: Any) -> None:
    logger = logging.getLogger("aside")
    logger.propagate = False  # pytest's own handlers would fail where ours must not
    logger.addHandler(logs.HANDLER)

    logger.info("one %s two %d", "a", "b")

    (record,) = records()
    assert "one %s two %d" in record["@message"]


def test_a_value_that_cannot_be_written_does_not_lose_the_record(records: Any) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    logging.getLogger("x").info("kept", extra={"broken": Broken()})

    (record,) = records()
    assert record["@message"] == "kept"


def test_a_record_of_a_megabyte_is_cut_to_what_every_host_can_read(records: Any, capfd: Any) -> None:
    logging.getLogger("x").info("ä" * 1_000_000, extra={"more": "b" * 1_000_000})

    line = capfd.readouterr().err
    assert len(line.encode()) < 64 * 1024
    assert json.loads(line)["@message"].startswith("äää")


def test_warnings_and_uncaught_exceptions_become_records(records: Any) -> None:
    def fail() -> None:
        raise ValueError("in a thread")

    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
    try:
        int("in main")
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old way", DeprecationWarning, stacklevel=1)

    in_thread, in_main, warning = records()
    assert (in_thread["@level"], in_thread["error"]) == ("error", "in a thread")
    assert "worker" in in_thread["@message"]
    assert in_main["@level"] == "error"
    assert "in main" in in_main["error"]
    assert in_main["stacktrace"].startswith("Traceback")
    assert warning["@level"] == "warn"
    assert "old way" in warning["@message"]


def test_a_level_that_the_author_set_stays(records: Any) -> None:
    logging.getLogger().setLevel(logging.ERROR)
    logs.install()

    logging.getLogger("x").info("unheard")

    assert records() == []


def test_plain_handlers_on_stderr_make_way_for_records(records: Any) -> None:
    root = logging.getLogger()
    root.addHandler(logging.StreamHandler(sys.stderr))
    logs.install()

    root.info("once")

    assert [record["@message"] for record in records()] == ["once"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("bad"), "bad"),
        (ValueError(), "ValueError"),
        (TimeoutError(""), "TimeoutError"),
        (ValueError("half \ud800"), "half ?"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyError("foo"), "KeyError: 'foo'"),
        (KeyError(), "KeyError"),
        (LookupError("no such city"), "no such city"),
    ],
)
def test_the_text_of_an_exception_is_never_empty_nor_only_a_key(error: BaseException, text: str) -> None:
    assert error_text(error) == text

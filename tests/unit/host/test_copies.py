"""Copies of a plugin's output end in a sink, whatever the sink does."""

from __future__ import annotations

import logging

import pytest

from graftage.host.copies import Copy

LOGGER = logging.getLogger("host.clock")


@pytest.mark.parametrize(
    ("written", "copied"),
    [([], b""), ([b"a\n"], b"a\n"), ([b"a\n", b"b"], b"a\nb\n"), ([b"\xff\x00\r"], b"\xff\x00\r\n")],
)
def test_bytes_arrive_as_they_are_and_the_last_line_gets_an_end(written: list[bytes], copied: bytes) -> None:
    found = bytearray()
    copy = Copy(found.extend, "stderr", LOGGER)
    for data in written:
        copy.write(data)
    copy.end_line()
    copy.end_line()
    assert found == copied


def test_a_sink_that_fails_is_told_of_once_and_gets_no_more(caplog: pytest.LogCaptureFixture) -> None:
    calls = []

    def full(data: bytes) -> None:
        calls.append(data)
        raise OSError("No space left on device")

    copy = Copy(full, "stderr", LOGGER)
    copy.write(b"a")
    copy.write(b"b")
    copy.end_line()
    assert calls == [b"a"]
    assert caplog.messages == ["the plugin's stderr is not copied any more until it is started again"]
    assert "No space left on device" in caplog.text

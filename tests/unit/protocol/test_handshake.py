"""The handshake line: every verdict of the reference, and ours where it has none."""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftage.errors import HandshakeError
from graftage.protocol.handshake import (
    AppVersionMismatch,
    AppVersionUnreadable,
    BadCertificate,
    CoreVersionMismatch,
    CoreVersionUnreadable,
    Handshake,
    MalformedHandshake,
    MissingCertificate,
    MultiplexingUnreadable,
    MultiplexingUnsupported,
    UnexpectedCertificate,
    UnsupportedProtocol,
    UnusableAddress,
    format_handshake,
    parse_handshake,
)

SETTINGS = settings(deadline=None, derandomize=True)

JUNK_OF_2018 = "eyJzdGRvdXRfYWRkciI6IiIsInN0ZGVycl9hZGRyIjoiIn0K"
DER = "MIGA" + "A" * 171  # a DER sequence of 128 bytes, unpadded


@pytest.mark.parametrize(
    ("line", "handshake"),
    [
        (
            f"1|1|unix|/tmp/plugin1405937478|grpc|{JUNK_OF_2018}",
            Handshake(1, "unix", "/tmp/plugin1405937478"),
        ),
        ("1|1|unix|/tmp/x|grpc|", Handshake(1, "unix", "/tmp/x")),
        ("1|1|unix|/tmp/x|grpc||true", Handshake(1, "unix", "/tmp/x", multiplex=True)),
        ("1|1|unix|/tmp/x|grpc||F", Handshake(1, "unix", "/tmp/x", multiplex=False)),
        ("1|1|unix|/tmp/x|grpc||maybe", Handshake(1, "unix", "/tmp/x")),
        ("1|2|tcp|:40123|grpc", Handshake(2, "tcp", ":40123")),
        ("1|1|tcp|localhost:1234|grpc", Handshake(1, "tcp", "localhost:1234")),
        ("1|1|tcp|[::1]:99|grpc", Handshake(1, "tcp", "[::1]:99")),
        ("  1|1|unix|/tmp/x|grpc|\t ", Handshake(1, "unix", "/tmp/x")),
        ("1|1|unix|/tmp/x|grpc|\r", Handshake(1, "unix", "/tmp/x")),
        ("+1|+1|unix|/tmp/x|grpc", Handshake(1, "unix", "/tmp/x")),
        (f"01|{'0' * 5000}1|unix|/tmp/x|grpc", Handshake(1, "unix", "/tmp/x")),
        ("1|1|unix|/tmp/x|grpc||false|8|9", Handshake(1, "unix", "/tmp/x", multiplex=False)),
        ("1|1|unix|/tmp/ein Ort/ü|grpc|", Handshake(1, "unix", "/tmp/ein Ort/ü")),
        ("1|1|unix|/tmp/x|grpc|" + "A" * 50, Handshake(1, "unix", "/tmp/x")),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_good_line_tells_where_the_plugin_listens(line: str, handshake: Handshake) -> None:
    assert parse_handshake(line.encode(), offered=[1, 2]) == handshake


def test_a_long_sixth_field_is_the_plugins_certificate() -> None:
    handshake = parse_handshake(f"1|1|unix|/tmp/x|grpc|{DER}".encode(), offered=[1])
    assert handshake.certificate == b"\x30\x81\x80" + bytes(128)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract sockets exist on Linux only")
def test_an_abstract_socket_can_be_reached_on_linux() -> None:
    assert parse_handshake(b"1|1|unix|@name|grpc|", offered=[1]).address == "@name"


@pytest.mark.parametrize(
    ("line", "error", "complaint"),
    [
        ("", MalformedHandshake, r"as the first line on stdout, got ''; .* logs to stderr only"),
        ("hello", MalformedHandshake, "got 'hello'"),
        ("1|1|unix", MalformedHandshake, r"got '1\|1\|unix'"),
        ("2|1|unix|/tmp/x|grpc", CoreVersionMismatch, "speaks core protocol 2, this host 1"),
        ("abc|1|unix|/tmp/x|grpc", CoreVersionUnreadable, "in the first field, got 'abc'"),
        ("1 |1|unix|/tmp/x|grpc", CoreVersionUnreadable, "got '1 '"),
        ("\u0661|1|unix|/tmp/x|grpc", CoreVersionUnreadable, "first field"),
        ("1|9|unix|/tmp/x|grpc", AppVersionMismatch, "speaks application protocol 9, this host 1, 2"),
        ("1|-1|unix|/tmp/x|grpc", AppVersionMismatch, "protocol -1"),
        ("1|abc|unix|/tmp/x|grpc", AppVersionUnreadable, "in the second field, got 'abc'"),
        ("1||unix|/tmp/x|grpc", AppVersionUnreadable, "got ''"),
        ("1|9223372036854775808|unix|/tmp/x|grpc", AppVersionUnreadable, "second field"),
        (f"1|{'9' * 5000}|unix|/tmp/x|grpc", AppVersionUnreadable, "second field"),
        ("1|1|udp|127.0.0.1:1|grpc", UnusableAddress, "the network 'udp' is unknown"),
        ("1|1|UNIX|/tmp/x|grpc", UnusableAddress, "'UNIX' is unknown"),
        ("1|1|unix||grpc", UnusableAddress, "path is empty"),
        ("1|1|unix|@|grpc", UnusableAddress, "path is empty"),
        ("1|1|unix|/" + "x" * 200 + "|grpc", UnusableAddress, "has 201 bytes, the system allows 10"),
        ("1|1|unix|/tmp/\0|grpc", UnusableAddress, "no UTF-8 text"),
        ("1|1|tcp|127.0.0.1|grpc", UnusableAddress, "has no port"),
        ("1|1|tcp|127.0.0.1:99999|grpc", UnusableAddress, "'99999' is no number from 1 to 65535"),
        ("1|1|tcp|127.0.0.1:|grpc", UnusableAddress, "the port ''"),
        ("1|1|tcp|127.0.0.1:0|grpc", UnusableAddress, "the port '0'"),
        ("1|1|tcp|::1:99|grpc", UnusableAddress, "needs brackets"),
        ("1|1|tcp|[nine]:99|grpc", UnusableAddress, "no IPv6 address"),
        ("1|1|unix|/tmp/x", UnsupportedProtocol, "got 'netrpc'"),
        ("1|1|unix|/tmp/x|", UnsupportedProtocol, "got ''"),
        ("1|1|unix|/tmp/x|netrpc", UnsupportedProtocol, "got 'netrpc'"),
        ("1|1|unix|/tmp/x|GRPC", UnsupportedProtocol, "got 'GRPC'"),
        ("1|1|unix|/tmp/x|grpc|" + "?" * 60, BadCertificate, "60 characters"),
        ("1|1|unix|/tmp/x|grpc|" + "A" * 60, BadCertificate, "60 characters"),
        (f"1|1|unix|/tmp/x|grpc|{DER}AAAA", BadCertificate, "179 characters"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_line_tells_the_author_what_to_fix(line: str, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint) as caught:
        parse_handshake(line.encode(), offered=[2, 1])
    assert type(caught.value) is error


def test_the_steps_are_taken_in_order_so_that_the_first_fault_is_told() -> None:
    with pytest.raises(CoreVersionMismatch):
        parse_handshake(b"2|x|udp|y|netrpc", offered=[1])
    with pytest.raises(UnusableAddress):
        parse_handshake(b"1|1|udp|y|netrpc", offered=[1])


def test_a_long_stray_line_is_quoted_shortened() -> None:
    with pytest.raises(MalformedHandshake) as caught:
        parse_handshake(b"\x1b[31m" + b"x" * 100_000, offered=[1])
    assert "(100005 bytes)" in str(caught.value)
    assert r"\x1b[31m" in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("multiplex", "line"),
    [
        (None, b"1|1|unix|/tmp/x|grpc|\n"),
        (False, b"1|1|unix|/tmp/x|grpc||false\n"),
        (True, b"1|1|unix|/tmp/x|grpc||true\n"),
    ],
)
def test_a_plugin_prints_six_fields_and_a_seventh_only_when_asked(
    multiplex: bool | None, line: bytes
) -> None:
    assert format_handshake(1, "unix", "/tmp/x", multiplex=multiplex) == line


CERTIFICATE = b"\x30\x35" + b"x" * 0x35  # 55 bytes, 74 characters of base64 and 2 of padding


def test_the_certificate_travels_without_padding() -> None:
    line = format_handshake(1, "unix", "/tmp/x", certificate=CERTIFICATE, multiplex=True)
    assert b"=" not in line
    assert parse_handshake(line, offered=[1], tls=True, multiplex=True).certificate == CERTIFICATE


PLAIN = b"1|1|unix|/tmp/x|grpc|"
JUNK = PLAIN + b"e" * 48
WITH_CERTIFICATE = format_handshake(1, "unix", "/tmp/x", certificate=CERTIFICATE).strip()


@pytest.mark.parametrize(
    ("line", "tls", "multiplex", "refusal"),
    [
        (PLAIN, False, False, None),
        (JUNK, False, False, None),
        (WITH_CERTIFICATE, False, False, UnexpectedCertificate),
        (PLAIN, True, False, MissingCertificate),
        (JUNK, True, False, MissingCertificate),
        (WITH_CERTIFICATE, True, False, None),
        (PLAIN, False, True, MultiplexingUnsupported),
        (PLAIN + b"|", False, True, MultiplexingUnsupported),
        (PLAIN + b"|false", False, True, MultiplexingUnsupported),
        (PLAIN + b"|F", False, True, MultiplexingUnsupported),
        (PLAIN + b"|maybe", False, True, MultiplexingUnreadable),
        (PLAIN + b"|maybe", False, False, None),
        (PLAIN + b"|T", False, True, None),
        (PLAIN + b"|true|more", False, True, None),
        (WITH_CERTIFICATE + b"|1", True, True, None),
        (WITH_CERTIFICATE, False, True, UnexpectedCertificate),
    ],
)
def test_a_plugin_must_answer_what_the_host_asked_for_and_no_more(
    line: bytes, tls: bool, multiplex: bool, refusal: type[HandshakeError] | None
) -> None:
    with nullcontext() if refusal is None else pytest.raises(refusal, match=re.escape("|unix|/tmp/x|grpc|")):
        parse_handshake(line, offered=[1], tls=tls, multiplex=multiplex)


@pytest.mark.parametrize("address", ["/tmp/a|b", "/tmp/a\nb", "/tmp/a\rb"])
def test_an_address_that_the_line_cannot_carry_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="cannot carry the address"):
        format_handshake(1, "unix", address)


paths = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="|\r\n\0"), min_size=1, max_size=20
)


@SETTINGS
@given(st.integers(0, 2**31), paths, st.booleans())
def test_what_a_plugin_prints_is_what_a_host_reads(version: int, path: str, asked: bool) -> None:
    line = format_handshake(version, "unix", f"/{path}", multiplex=asked or None)
    assert line.count(b"\n") == 1
    assert parse_handshake(line, offered=[version]) == Handshake(
        version, "unix", f"/{path}", multiplex=True if asked else None
    )


fields = st.one_of(
    st.sampled_from([b"1", b"+1", b"unix", b"tcp", b":1", b"grpc", b"true", b""]), st.binary(max_size=80)
)


@SETTINGS
@given(st.one_of(st.binary(), st.lists(fields, max_size=9).map(b"|".join)))
def test_any_bytes_are_read_or_refused_with_a_printable_text(line: bytes) -> None:
    try:
        told = parse_handshake(line, offered=[1]).network
    except HandshakeError as error:
        told = str(error)
    assert told.isprintable()
    assert len(told) < 1500

from __future__ import annotations

import json

import pytest

from graftage.server.live import centrifuge
from graftage.server.live.centrifuge import MALFORMED, Disconnect, read_commands, verdict
from graftage.server.live.refusal import (
    ALREADY_SUBSCRIBED,
    BAD_REQUEST,
    INTERNAL,
    LIMIT_EXCEEDED,
    NOT_AVAILABLE,
    NOT_FOUND,
    UNKNOWN_METHOD,
    Refusal,
)


def judged(command: str, *, connected: bool = True, pong: bool = False, channels: tuple[str, ...] = ()):
    commands = read_commands(command)
    assert isinstance(commands, list)
    (only,) = commands
    return verdict(only, is_connected=connected, owes_pong=pong, channels=channels)


@pytest.mark.parametrize(
    "message", ["", "\n", "{", "[]", "1", '{"id":"1"}', '{"id":1}{"id":2}', '{"subscribe":1}', "[" * 100_000]
)
def test_a_message_is_commands_or_the_end(message: str) -> None:
    assert read_commands(message) == MALFORMED


def test_a_message_may_have_several_commands_with_keys_that_nobody_knows() -> None:
    commands = read_commands(
        '{"id":1,"connect":{"name":"py","headers":{}}}\n'
        '{"id":2,"subscribe":{"channel":"c","data":{"a":[1]},"flag":1}}\n{}\n'
    )
    assert isinstance(commands, list)
    assert [(command.id, command.asked()[0]) for command in commands] == [
        (1, "connect"),
        (2, "subscribe"),
        (0, ""),
    ]
    _, asked = commands[1].asked()
    assert (asked.channel, bytes(asked.data)) == ("c", b'{"a":[1]}')


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ('{"id":2,"subscribe":{"channel":"c"}}', None),
        ('{"id":2,"unsubscribe":{"channel":"c"}}', None),
        ('{"id":2,"publish":{"channel":"c","data":{}}}', None),
        ('{"send":{"data":{}}}', None),
        ('{"id":2,"connect":{}}', MALFORMED),
        ('{"id":2}', MALFORMED),
        ('{"id":2,"unheard_of":{}}', MALFORMED),
        ('{"subscribe":{"channel":"c"}}', MALFORMED),
        ('{"id":2,"subscribe":{}}', MALFORMED),
        ('{"id":2,"unsubscribe":{}}', MALFORMED),
        ('{"id":2,"publish":{"data":{}}}', MALFORMED),
        ('{"id":2,"subscribe":{"channel":"taken"}}', ALREADY_SUBSCRIBED),
        (f'{{"id":2,"subscribe":{{"channel":"{"x" * 256}"}}}}', BAD_REQUEST),
        ('{"id":2,"presence":{"channel":"c"}}', NOT_AVAILABLE),
        ('{"id":2,"presence_stats":{"channel":"c"}}', NOT_AVAILABLE),
        ('{"id":2,"history":{"channel":"c"}}', NOT_AVAILABLE),
        ('{"id":2,"refresh":{}}', NOT_AVAILABLE),
        ('{"id":2,"sub_refresh":{"channel":"c"}}', NOT_AVAILABLE),
        ('{"id":2,"ping":{}}', NOT_AVAILABLE),
        ('{"id":2,"rpc":{"method":"grafana.query"}}', UNKNOWN_METHOD),
    ],
)
def test_what_is_asked_is_carried_out_refused_or_ends_the_connection(
    command: str, expected: Disconnect | Refusal | None
) -> None:
    assert judged(command, channels=("taken",)) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [('{"id":1,"connect":{}}', None), ("{}", MALFORMED), ('{"send":{}}', MALFORMED)]
    + [(f'{{"id":1,"{key}":{{"channel":"c"}}}}', MALFORMED) for key in ("subscribe", "publish", "rpc")],
)
def test_a_client_connects_first(command: str, expected: Disconnect | None) -> None:
    assert judged(command, connected=False) == expected


@pytest.mark.parametrize(("pong", "expected"), [(True, None), (False, MALFORMED)])
def test_a_pong_answers_a_ping(pong: bool, expected: Disconnect | None) -> None:
    assert judged("{}", pong=pong) == expected


def test_a_client_has_at_most_so_many_subscriptions() -> None:
    channels = tuple(map("c{}".format, range(centrifuge.MAX_CHANNELS)))
    assert judged('{"id":1,"subscribe":{"channel":"c"}}', channels=channels[1:]) is None
    assert judged('{"id":1,"subscribe":{"channel":"c"}}', channels=channels) == LIMIT_EXCEEDED


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            centrifuge.connected(1, "me", 25),
            {"id": 1, "connect": {"client": "me", "ping": 25, "pong": True}},
        ),
        (centrifuge.subscribed(2, ""), {"id": 2, "subscribe": {}}),
        (centrifuge.subscribed(2, '{"a":1}'), {"id": 2, "subscribe": {"data": {"a": 1}}}),
        (centrifuge.done(3, "publish"), {"id": 3, "publish": {}}),
        (centrifuge.refused(4, NOT_FOUND), {"id": 4, "error": {"code": 404, "message": "Not Found"}}),
        (
            centrifuge.refused(4, INTERNAL),
            {"id": 4, "error": {"code": 100, "message": "internal server error", "temporary": True}},
        ),
        (
            '{"x":1}'.join(centrifuge.publication('a"b')),
            {"push": {"channel": 'a"b', "pub": {"data": {"x": 1}}}},
        ),
        (
            centrifuge.unsubscribed("c"),
            {"push": {"channel": "c", "unsubscribe": {"code": 2000, "reason": "server unsubscribe"}}},
        ),
        (centrifuge.PING, {}),
    ],
)
def test_what_is_sent_is_one_object_on_a_line(line: str, expected: object) -> None:
    assert json.loads(line) == expected
    assert "\n" not in line


@pytest.mark.parametrize("name", ["SHUTDOWN", "SERVER_ERROR", "SLOW", "NO_PONG", "MALFORMED", "STALE"])
def test_clients_come_back_but_for_those_that_do_it_wrong(name: str) -> None:
    reason: Disconnect = getattr(centrifuge, name)
    assert (3000 <= reason.code < 3500) is (name not in ("MALFORMED", "STALE"))
    assert len(reason.reason.encode()) < 124  # of a closing frame

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from graftage.data.canonical_json import Number
from graftage.server.answers import BodyRefused, Refused
from graftage.server.body import Bound, Model, bind_json, flag, free, integer, items, read_body, text, texts

GOLDEN = Path(__file__).parents[2] / "golden" / "http-api"

QUERY = Model("dtos.MetricRequest", text("from"), text("to"), items("queries"), flag("debug"))
DATA_SOURCE_FIELDS = (
    text("name", required=True),
    text("type", required=True),
    text("access", required=True),
    flag("isDefault"),
    integer("version"),
    free("jsonData"),
    texts("secureJsonData"),
)
ADD = Model("models.AddDataSourceCommand", *DATA_SOURCE_FIELDS)
UPDATE = Model("models.UpdateDataSourceCommand", *DATA_SOURCE_FIELDS)

MINIMAL = {"name": "n", "type": "t", "access": "proxy"}


def request(
    body: bytes | list[bytes], content_type: str | None = "application/json", method: str = "POST"
) -> Request:
    """A request whose body arrives in these pieces, and after that nothing but the end of the connection."""
    pieces = body if isinstance(body, list) else [body]
    messages: Iterator[Message] = iter(
        [
            {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
            for number, piece in enumerate(pieces, start=1)
        ]
    )

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    headers = [] if content_type is None else [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": method, "headers": headers}, receive)


async def bound(model: Model, body: Any, content_type: str = "application/json") -> Bound:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await read_body(request(raw, content_type), model)


async def refusal(
    model: Model, body: Any, content_type: str | None = "application/json"
) -> tuple[int, list[Any]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(BodyRefused) as refused:
        await read_body(request(raw, content_type), model)
    return refused.value.status, json.loads(refused.value.body)


def recorded() -> list[object]:
    """Every body that a recorded server refused to bind, for the models we have."""
    models = {"/api/tsdb/query": QUERY, "/api/datasources": ADD, "/api/datasources/2": UPDATE}
    return [
        pytest.param(models[case["request"]["path"]], case, id=f"{file.stem}: {case['name']}")
        for file in sorted(GOLDEN.glob("*.7.5.5.json"))
        for case in json.loads(file.read_text())
        if "classification" in (case.get("response", {}).get("body_text") or "")
        and case["request"]["path"] in models
    ]


@pytest.mark.parametrize(("model", "case"), recorded())
async def test_a_body_is_refused_with_grafanas_own_words(model: Model, case: dict[str, Any]) -> None:
    sent = case["request"]
    body = sent["body_text"] if "body_text" in sent else json.dumps(sent.get("body"))
    content_type = (sent.get("headers") or {}).get("Content-Type")
    with pytest.raises(BodyRefused) as refused:
        await read_body(request(body.encode(), content_type, sent["method"]), model)
    assert (refused.value.status, refused.value.body) == (
        case["response"]["status"],
        case["response"]["body_text"],
    )


@pytest.mark.parametrize("content_type", ["text/plain", "APPLICATION/JSON", "application/x-ndJSON"])
async def test_another_content_type_is_415(content_type: str) -> None:
    assert await refusal(QUERY, {}, content_type) == (
        415,
        [{"classification": "ContentTypeError", "message": "Unsupported Content-Type"}],
    )


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "text/json", "application/vnd.api+json"],
)
async def test_anything_with_json_in_its_name_is_json(content_type: str) -> None:
    assert (await bound(QUERY, {"from": "1"}, content_type))["from"] == "1"


@pytest.mark.parametrize("body", [b"", b" \r\n\t", b"null", b"{}", b" null "])
async def test_an_empty_body_leaves_every_field_at_its_zero_value(body: bytes) -> None:
    read = await bound(Model("x.Y", *DATA_SOURCE_FIELDS[3:], text("a"), items("b")), body)
    assert read.values == {
        "isDefault": False,
        "version": 0,
        "jsonData": None,
        "secureJsonData": {},
        "a": "",
        "b": [],
    }
    assert read.given == frozenset()


async def test_values_have_the_types_of_their_fields() -> None:
    body = MINIMAL | {
        "isDefault": True,
        "version": -3,
        "jsonData": {"z": 1.0},
        "secureJsonData": {"a": "b", "c": None},
    }
    read = await bound(ADD, body)
    assert (read["name"], read["isDefault"], read["version"]) == ("n", True, -3)
    assert read["jsonData"] == {"z": "1.0"}
    assert isinstance(read["jsonData"]["z"], Number)
    assert read["secureJsonData"] == {"a": "b", "c": None}
    assert read.given == {"name", "type", "access", "isDefault", "version", "jsonData", "secureJsonData"}


@pytest.mark.parametrize("key", ["from", "FROM", "From", "fRoM"])
async def test_keys_match_without_regard_to_case(key: str) -> None:
    assert (await bound(QUERY, {key: "1"}))["from"] == "1"


async def test_two_letters_outside_ascii_fold_into_it_and_no_others() -> None:
    model = Model("x.Y", text("ask"), text("strasse"))
    assert (await bound(model, {"a\u017f\u212a": "1"}))["ask"] == "1"
    assert (await bound(model, {"stra\u00dfe": "1"})).given == frozenset()


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"from":"1","from":"2"}', "2"),
        (b'{"from":"1"} {"from":"2"}', "1"),
        (b'{"from":"1"}}', "1"),
        (b'{"from":"1","FROM":null}', "1"),
        (b'{"unknown":{},"from":"1"}', "1"),
        (b'{"from":"\\ud800!"}', "\ufffd!"),
    ],
)
async def test_json_is_read_as_go_reads_it(body: bytes, value: str) -> None:
    assert (await bound(QUERY, body))["from"] == value


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "unexpected EOF"),
        (b'{"from":tru}', "invalid character '}' in literal true (expecting 'e')"),
        (b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value"),
        (b"[" * 100_000, "exceeded max depth"),
        (b"true", "json: cannot unmarshal bool into Go value of type dtos.MetricRequest"),
        (
            b'{"debug":1}',
            "json: cannot unmarshal number into Go struct field MetricRequest.debug of type bool",
        ),
        (b'{"TO":{}}', "json: cannot unmarshal object into Go struct field MetricRequest.to of type string"),
        (
            b'{"from":1,"to":2}',
            "json: cannot unmarshal number into Go struct field MetricRequest.from of type string",
        ),
    ],
)
async def test_what_cannot_be_read_is_400_with_the_first_complaint(body: bytes, message: str) -> None:
    assert await refusal(QUERY, body) == (
        400,
        [{"classification": "DeserializationError", "message": message}],
    )


@pytest.mark.parametrize("literal", ["1.0", "1e3", "9223372036854775808", "-9223372036854775809"])
async def test_an_integer_is_written_as_one_and_fits_64_bits(literal: str) -> None:
    body = json.dumps(MINIMAL).replace("}", f',"version":{literal}}}').encode()
    field = "AddDataSourceCommand.version of type int"
    message = f"json: cannot unmarshal number {literal} into Go struct field {field}"
    assert await refusal(ADD, body) == (400, [{"classification": "DeserializationError", "message": message}])


async def test_a_form_binds_fields_by_their_names() -> None:
    form = b"name=a+b%C3%A9&name=second&type=t&access=proxy&isDefault=on&version=7&jsonData=%7B%7D"
    read = await bound(ADD, form, "application/x-www-form-urlencoded")
    assert (read["name"], read["isDefault"], read["version"], read["jsonData"]) == ("a bé", True, 7, None)


async def test_json_sent_as_a_form_binds_nothing() -> None:
    read = await bound(QUERY, b'{"from":"1"}', "application/x-www-form-urlencoded")
    assert read.given == frozenset()


async def test_a_form_value_of_the_wrong_type_is_422() -> None:
    form = b"name=n&type=t&access=proxy&isDefault=maybe&version=1.5"
    status, errors = await refusal(ADD, form, "application/x-www-form-urlencoded")
    assert (status, [(error["fieldNames"], error["classification"]) for error in errors]) == (
        422,
        [(["isDefault"], "BooleanTypeError"), (["version"], "IntegerTypeError")],
    )


MULTIPART = b"".join(
    b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % part
    for part in (
        (b"name", b"", b"n"),
        (b"type", b"", "é".encode()),
        (b"access", b"", b"proxy"),
        (b"version", b'; filename="f"', b"5"),
    )
)


async def test_a_multipart_form_binds_its_texts_and_no_files() -> None:
    read = await bound(ADD, MULTIPART + b"--b--\r\n", "multipart/form-data; boundary=b")
    assert (read["name"], read["type"], read["version"]) == ("n", "é", 0)


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("multipart/form-data", "no multipart boundary param in Content-Type"),
        ("multipart/form-data; boundary=other", "multipart: NextPart: EOF"),
    ],
)
async def test_a_multipart_body_that_cannot_be_split_is_400(content_type: str, message: str) -> None:
    assert await refusal(QUERY, MULTIPART, content_type) == (
        400,
        [{"classification": "DeserializationError", "message": message}],
    )


async def test_a_body_that_arrives_in_pieces_is_put_together() -> None:
    read = await read_body(request([b'{"fr', b"", b'om":"1"}']), QUERY)
    assert read["from"] == "1"


async def test_a_body_over_the_limit_is_413_without_being_held() -> None:
    pieces = [b" " * 60, b" " * 60, b"never asked for"]
    long = request(pieces)
    with pytest.raises(Refused, match="longer than the 100 bytes") as refused:
        await read_body(long, QUERY, limit=100)
    assert refused.value.status == 413
    assert (await long.receive())["body"] == b"never asked for"


async def test_an_announced_length_over_the_limit_is_413_before_anything_is_read() -> None:
    long = request([b"{}"])
    long.scope["headers"].append((b"content-length", b"101"))
    with pytest.raises(Refused, match="longer than the 100 bytes"):
        await read_body(long, QUERY, limit=100)
    assert (await long.receive())["body"] == b"{}"


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    assert (await read_body(request(b'{"from":"1"}'), QUERY, limit=12))["from"] == "1"


async def test_a_client_that_goes_away_within_its_body_is_noticed() -> None:
    broken = request([b"{"])
    broken._receive = iter_receive(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )
    with pytest.raises(ClientDisconnect):
        await read_body(broken, QUERY)


def iter_receive(messages: list[Message]) -> Any:
    remaining = iter(messages)

    async def receive() -> Message:
        return next(remaining)

    return receive


def test_a_query_is_bound_without_a_request() -> None:
    assert bind_json(QUERY, b'{"queries":[{"a":1e3},null]}')["queries"] == [{"a": "1e3"}, None]

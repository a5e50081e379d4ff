"""The answers are those that Grafana 7.5.5 was recorded to give, unless a test says otherwise."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from graftage.host.discovery import InstalledPlugin
from graftage.host.plugin_json import PluginJson, PluginType
from graftage.server.app import build_app
from graftage.server.metrics import Metrics
from graftage.server.routes.data_sources import routes
from graftage.store.data_folder import open_store
from graftage.store.data_sources import DataSource

LEAST = {"name": "Least", "type": "probe-datasource", "access": "proxy", "uid": "u1"}
FULL = {
    "name": "Full",
    "type": "probe-datasource",
    "access": "direct",
    "url": "http://h:1/p?q=1",
    "password": "pw",
    "user": "us",
    "database": "db",
    "basicAuth": True,
    "basicAuthUser": "bu",
    "basicAuthPassword": "bp",
    "withCredentials": True,
    "isDefault": True,
    "jsonData": {"z": 1, "a": {"k": [1, "<"]}},
    "secureJsonData": {"token": "t", "other": "o"},
    "uid": "fullUid",
}
SHOWN = (
    '{"id":1,"uid":"fullUid","orgId":1,"name":"Full","type":"probe-datasource","typeLogoUrl":"",'
    '"access":"direct","url":"http://h:1/p?q=1","password":"","user":"us","database":"db","basicAuth":true,'
    '"basicAuthUser":"bu","basicAuthPassword":"","withCredentials":true,"isDefault":true,'
    '"jsonData":{"a":{"k":[1,"\\u003c"]},"z":1},"secureJsonFields":{"other":true,"token":true},'
    '"version":1,"readOnly":false}'
)


@pytest.fixture
def sources(tmp_path):
    with open_store(tmp_path, database=tmp_path / "db", key_file=tmp_path / "key") as store:
        yield store.data_sources


@pytest.fixture
async def http(sources):
    probe = InstalledPlugin(
        PluginJson(id="probe-datasource", type=PluginType.DATASOURCE, name="Probe"), Path("/p")
    )
    app = build_app(routes(sources, [probe]), metrics=Metrics(reported_version="7.5.5", own_version="0"))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        yield client


def message(response: httpx.Response) -> tuple[int, str, str]:
    return response.status_code, response.headers["content-type"], response.json()["message"]


JSON = "application/json"
NOT_FOUND = (404, JSON, "Data source not found")


async def test_an_empty_list_is_a_list(http):
    response = await http.get("/api/datasources")
    assert (response.status_code, response.text) == (200, "[]")


async def test_adding_shows_everything_in_grafanas_order_and_no_password(http):
    response = await http.post("/api/datasources", json=FULL)
    assert response.headers["content-type"] == JSON
    assert response.text == f'{{"datasource":{SHOWN},"id":1,"message":"Datasource added","name":"Full"}}'


@pytest.mark.parametrize("path", ["1", "0001", "+1", "%31", "uid/fullUid", "name/Full"])
async def test_one_is_read_by_id_uid_and_name(http, path):
    await http.post("/api/datasources", json=FULL)
    response = await http.get(f"/api/datasources/{path}")
    assert (response.status_code, response.text) == (200, SHOWN)


async def test_passwords_are_kept_though_no_answer_shows_them(http, sources):
    await http.post("/api/datasources", json=FULL)
    assert (sources.by_id(1).password, sources.by_id(1).basic_auth_password) == ("pw", "bp")


async def test_the_list_has_its_own_shape_and_order(http):
    for body in (FULL, LEAST, LEAST | {"name": "a", "uid": "u2", "type": "unknown"}):
        await http.post("/api/datasources", json=body)
    response = await http.get("/api/datasources")
    assert [source["name"] for source in response.json()] == ["a", "Full", "Least"]
    assert [source["typeName"] for source in response.json()] == ["unknown", "Probe", "Probe"]
    assert response.text.endswith(
        '{"id":2,"uid":"u1","orgId":1,"name":"Least","type":"probe-datasource","typeName":"Probe",'
        '"typeLogoUrl":"public/img/icn-datasource.svg","access":"proxy","url":"","password":"","user":"",'
        '"database":"","basicAuth":false,"isDefault":false,"jsonData":{},"readOnly":false}]'
    )


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("null", "{}"),
        ("[1]", "[1]"),
        ('"x"', '"x"'),
        (
            '{"b":9007199254740993,"a":1.10,"c":1e400,"d":-0.0}',
            '{"a":1.10,"b":9007199254740993,"c":1e400,"d":-0.0}',
        ),
    ],
)
async def test_json_data_is_any_json_with_its_numbers_as_written(http, sent, shown):
    body = f'{{"name":"n","type":"t","access":"proxy","jsonData":{sent}}}'
    response = await http.post("/api/datasources", content=body, headers={"Content-Type": JSON})
    assert f'"jsonData":{shown},' in response.text
    assert f'"jsonData":{shown},' in (await http.get("/api/datasources/1")).text


async def test_an_unset_uid_is_made_up(http):
    body = {key: value for key, value in LEAST.items() if key != "uid"}
    assert len((await http.post("/api/datasources", json=body)).json()["datasource"]["uid"]) == 9


async def test_a_client_cannot_make_a_source_read_only_or_choose_its_id(http):
    response = await http.post(
        "/api/datasources", json=LEAST | {"readOnly": True, "id": 7, "version": 9, "orgId": 3}
    )
    added = response.json()["datasource"]
    assert (added["readOnly"], added["id"], added["version"], added["orgId"]) == (False, 1, 1, 1)


async def test_a_name_or_uid_in_use_is_a_conflict(http):
    await http.post("/api/datasources", json=LEAST)
    taken = await http.post("/api/datasources", json=LEAST | {"uid": "other"})
    assert message(taken) == (409, JSON, "data source with the same name already exists")
    taken = await http.post("/api/datasources", json=LEAST | {"name": "Other"})
    assert message(taken) == (409, JSON, "data source with the same uid already exists")


async def test_a_url_that_does_not_parse_is_refused(http):
    refused = await http.post("/api/datasources", json=LEAST | {"url": "http://[::1"})
    assert message(refused) == (400, JSON, 'Validation error, invalid URL: "http://[::1"')


async def test_what_is_missing_is_told_field_by_field(http):
    refused = await http.post("/api/datasources", json={"name": ""})
    assert refused.status_code == 422
    assert [error["fieldNames"] for error in refused.json()] == [["Name"], ["Type"], ["Access"]]


async def test_a_secret_is_a_text_and_null_an_empty_one(http, sources):
    refused = await http.post("/api/datasources", json=LEAST | {"secureJsonData": {"a": 1}})
    assert refused.json() == [
        {
            "classification": "DeserializationError",
            "message": "json: cannot unmarshal number into Go struct field "
            "AddDataSourceCommand.secureJsonData of type string",
        }
    ]
    added = await http.post("/api/datasources", json=LEAST | {"secureJsonData": {"a": None}})
    assert added.json()["datasource"]["secureJsonFields"] == {"a": True}
    assert dict(sources.by_id(1).secrets) == {"a": ""}


@pytest.mark.parametrize("path", ["0", "abc", "2.0", "0x2", "²"])
async def test_an_id_that_is_no_number_is_missing(http, path):
    assert message(await http.get(f"/api/datasources/{path}")) == (400, JSON, "Datasource id is missing")


@pytest.mark.parametrize("path", ["999", "-1", "9" * 30, "name/full", "uid/nope", "id/nope"])
async def test_what_is_not_there_is_not_found(http, path):
    await http.post("/api/datasources", json=FULL)
    assert message(await http.get(f"/api/datasources/{path}")) == NOT_FOUND


async def test_a_name_may_hold_a_slash_a_plus_and_a_space(http):
    await http.post("/api/datasources", json=LEAST | {"name": "a/b+c d"})
    assert (await http.get("/api/datasources/name/a%2Fb+c%20d")).json()["id"] == 1
    assert (await http.get("/api/datasources/id/a%2Fb+c%20d")).text == '{"id":1}'
    assert (await http.get("/api/datasources/name/a/b+c%20d")).status_code == 404


async def test_deleting_by_id_name_and_uid(http):
    for number in range(3):
        await http.post("/api/datasources", json=LEAST | {"name": f"n{number}", "uid": f"u{number}"})
    assert (await http.delete("/api/datasources/1")).text == '{"message":"Data source deleted"}'
    assert (await http.delete("/api/datasources/name/n1")).text == '{"id":2,"message":"Data source deleted"}'
    assert (await http.delete("/api/datasources/uid/u2")).text == '{"message":"Data source deleted"}'
    assert (await http.get("/api/datasources")).text == "[]"
    for path in ("1", "name/n1", "uid/u2"):
        assert message(await http.delete(f"/api/datasources/{path}")) == NOT_FOUND


@pytest.mark.parametrize("path", ["0", "-1", "abc"])
async def test_deleting_needs_a_number_above_zero(http, path):
    assert message(await http.delete(f"/api/datasources/{path}")) == (
        400,
        JSON,
        "Missing valid datasource id",
    )


async def test_a_read_only_source_is_neither_deleted_nor_changed(http, sources):
    sources.add(DataSource("Ro", "t", "proxy", uid="ro", read_only=True))
    for path in ("1", "name/Ro", "uid/ro"):
        refused = await http.delete(f"/api/datasources/{path}")
        assert message(refused) == (403, JSON, "Cannot delete read-only data source")
    refused = await http.put("/api/datasources/1", json=LEAST)
    assert message(refused) == (403, JSON, "Cannot update read-only data source")
    assert (await http.get("/api/datasources/1")).json()["readOnly"] is True


async def test_an_update_without_a_version_counts_the_stored_one_up(http):
    await http.post("/api/datasources", json=LEAST)
    response = await http.put("/api/datasources/1", json=LEAST | {"name": "New"})
    assert response.text.endswith(
        '"version":2,"readOnly":false},"id":1,"message":"Datasource updated","name":"New"}'
    )


@pytest.mark.parametrize(("sent", "stored"), [(1, 2), (50, 51), (2**63 - 1, 2**63 - 1)])
async def test_an_update_with_a_version_goes_on_from_that_one(http, sent, stored):
    await http.post("/api/datasources", json=LEAST)
    response = await http.put("/api/datasources/1", json=LEAST | {"version": sent})
    assert response.json()["datasource"]["version"] == stored


async def test_an_update_of_an_old_version_is_a_conflict(http):
    await http.post("/api/datasources", json=LEAST)
    await http.put("/api/datasources/1", json=LEAST)
    refused = await http.put("/api/datasources/1", json=LEAST | {"version": 1})
    assert message(refused) == (
        409,
        JSON,
        "Datasource has already been updated by someone else. Please reload and try again",
    )


async def test_an_update_of_nothing_is_not_found_and_of_a_taken_name_a_conflict(http):
    await http.post("/api/datasources", json=LEAST)
    await http.post("/api/datasources", json=FULL)
    for path in ("999", "abc", "0"):
        assert message(await http.put(f"/api/datasources/{path}", json=LEAST)) == NOT_FOUND
    taken = await http.put("/api/datasources/2", json=FULL | {"name": "Least"})
    assert message(taken) == (409, JSON, "data source with the same name already exists")


async def test_an_update_keeps_what_is_left_out_where_grafana_does(http):
    await http.post("/api/datasources", json=FULL)
    least = {"name": "Full", "type": "probe-datasource", "access": "proxy"}
    shown = (await http.put("/api/datasources/1", json=least)).json()["datasource"]
    kept = {"uid": "fullUid", "url": "http://h:1/p?q=1", "database": "db", "basicAuthUser": "bu"}
    gone = {"user": "", "basicAuth": False, "withCredentials": False, "isDefault": False, "jsonData": {}}
    assert shown == shown | kept | gone
    assert shown["secureJsonFields"] == {"other": True, "token": True}


async def test_an_empty_text_in_an_update_replaces(http):
    await http.post("/api/datasources", json=FULL)
    shown = (await http.put("/api/datasources/1", json=FULL | {"url": "", "database": ""})).json()[
        "datasource"
    ]
    assert (shown["url"], shown["database"], shown["basicAuthUser"]) == ("", "", "bu")


async def test_sending_back_what_was_read_keeps_the_passwords(http, sources):
    await http.post("/api/datasources", json=FULL)
    await http.put("/api/datasources/1", json=(await http.get("/api/datasources/1")).json())
    stored = sources.by_id(1)
    assert (stored.password, stored.basic_auth_password, dict(stored.secrets)) == (
        "pw",
        "bp",
        {"token": "t", "other": "o"},
    )


async def test_an_update_sets_some_secrets_empties_others_and_removes_those_with_null(http, sources):
    await http.post(
        "/api/datasources", json=FULL | {"secureJsonData": {"a": "1", "b": "2", "c": "3", "d": "4"}}
    )
    secrets = {"a": "x", "b": "", "c": None, "new": None}
    shown = (await http.put("/api/datasources/1", json=FULL | {"secureJsonData": secrets})).json()[
        "datasource"
    ]
    assert shown["secureJsonFields"] == {"a": True, "b": True, "d": True}
    assert dict(sources.by_id(1).secrets) == {"a": "x", "b": "", "d": "4"}

"""Data source administration, as Grafana 7.5.5 answers it.

Passwords are treated as secrets: they are kept sealed, and an answer shows an empty text in their place.

Source: Grafana 7.5.5, pkg/api/datasources.go and pkg/services/sqlstore/datasource.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from graftage.backend.secrets import Secrets
from graftage.data.canonical_json import write_json
from graftage.errors import BadRequest, Conflict
from graftage.host.discovery import InstalledPlugin
from graftage.server.answers import Refused, json_answer, message_answer
from graftage.server.body import Bound, Field, Model, flag, free, integer, read_body, text, texts
from graftage.server.go_url import is_url
from graftage.server.ordered_json import JsonText, write_ordered
from graftage.server.plugin_face import UNKNOWN_LOGO, small_logo
from graftage.server.routing import Route
from graftage.store.data_source_cache import DataSources
from graftage.store.data_sources import DataSource

UPDATED_MEANWHILE = "Datasource has already been updated by someone else. Please reload and try again"

INT64 = 2**63

_FIELDS: tuple[Field, ...] = (
    text("name", required=True),
    text("type", required=True),
    text("access", required=True),
    text("url"),
    text("user"),
    text("password"),
    text("database"),
    flag("basicAuth"),
    text("basicAuthUser"),
    text("basicAuthPassword"),
    flag("withCredentials"),
    flag("isDefault"),
    free("jsonData"),
    texts("secureJsonData"),
    text("uid"),
)
ADD = Model("models.AddDataSourceCommand", *_FIELDS)
UPDATE = Model("models.UpdateDataSourceCommand", *_FIELDS, integer("version"))


def routes(sources: DataSources, plugins: Sequence[InstalledPlugin]) -> list[Route]:
    """plugins: those whose names and logos the list shows."""
    types = {plugin.id: plugin for plugin in plugins}

    async def list_all(_request: Request) -> Response:
        """GET /api/datasources"""
        return _answer([_list_element(source, types.get(source.type)) for source in sources.all()])

    async def add(request: Request) -> Response:
        """POST /api/datasources"""
        body = await read_body(request, ADD)
        _check_url(body["url"])
        added = await run_in_threadpool(sources.add, _new(body))
        return _answer(_written(added, "Datasource added"))

    async def get(request: Request) -> Response:
        """GET /api/datasources/:id"""
        number = _int64(request.path_params["id"])
        if number == 0:
            raise BadRequest("Datasource id is missing")
        return _answer(_single(sources.by_id(number)))

    async def update(request: Request) -> Response:
        """PUT /api/datasources/:id"""
        body = await read_body(request, UPDATE)
        _check_url(body["url"])
        number = _int64(request.path_params["id"])
        changed = await run_in_threadpool(sources.update, number, lambda stored: _changed(stored, body))
        return _answer(_written(changed, "Datasource updated"))

    async def delete(request: Request) -> Response:
        """DELETE /api/datasources/:id"""
        number = _int64(request.path_params["id"])
        if number <= 0:
            raise BadRequest("Missing valid datasource id")
        await remove(sources.by_id(number))
        return message_answer("Data source deleted")

    async def get_by_uid(request: Request) -> Response:
        """GET /api/datasources/uid/:uid"""
        return _answer(_single(sources.by_uid(request.path_params["uid"])))

    async def delete_by_uid(request: Request) -> Response:
        """DELETE /api/datasources/uid/:uid"""
        await remove(sources.by_uid(request.path_params["uid"]))
        return message_answer("Data source deleted")

    async def get_by_name(request: Request) -> Response:
        """GET /api/datasources/name/:name"""
        return _answer(_single(sources.by_name(request.path_params["name"])))

    async def delete_by_name(request: Request) -> Response:
        """DELETE /api/datasources/name/:name"""
        source = sources.by_name(request.path_params["name"])
        await remove(source)
        return _answer({"id": source.id, "message": "Data source deleted"})

    async def get_id_by_name(request: Request) -> Response:
        """GET /api/datasources/id/:name"""
        return _answer({"id": sources.by_name(request.path_params["name"]).id})

    async def remove(source: DataSource) -> None:
        if source.read_only:
            raise Refused(403, "Cannot delete read-only data source")
        await run_in_threadpool(sources.remove, source.id)

    return [
        Route("/api/datasources", {"GET": list_all, "POST": add}),
        Route("/api/datasources/:id", {"GET": get, "PUT": update, "DELETE": delete}),
        Route("/api/datasources/uid/:uid", {"GET": get_by_uid, "DELETE": delete_by_uid}),
        Route("/api/datasources/name/:name", {"GET": get_by_name, "DELETE": delete_by_name}),
        Route("/api/datasources/id/:name", {"GET": get_id_by_name}),
    ]


def _answer(value: object) -> Response:
    return json_answer(write_ordered(value))


def _new(body: Bound) -> DataSource:
    return DataSource(
        name=body["name"],
        type=body["type"],
        access=body["access"],
        uid=body["uid"],
        url=body["url"],
        user=body["user"],
        database=body["database"],
        password=body["password"],
        basic_auth=body["basicAuth"],
        basic_auth_user=body["basicAuthUser"],
        basic_auth_password=body["basicAuthPassword"],
        with_credentials=body["withCredentials"],
        is_default=body["isDefault"],
        json_data=_json_data(body),
        secrets=Secrets({key: value or "" for key, value in body["secureJsonData"].items()}),
    )


def _changed(stored: DataSource, body: Bound) -> DataSource:
    """What an update makes of a stored data source.

    Different from Grafana, so that nothing is lost or stuck: without a version the stored one counts up, a
    read-only data source stays as it is, an empty text replaces (only an absent field keeps the old value),
    and null removes a secret. A password stays when the body has none: no client ever gets to read it.
    """
    if stored.read_only:
        raise Refused(403, "Cannot update read-only data source")
    version = body["version"] or stored.version
    if version < stored.version:
        raise Conflict(UPDATED_MEANWHILE)

    given: Mapping[str, Any] = {key: body[key] for key in body.given}
    secrets: Mapping[str, str | None] = {**stored.secrets, **body["secureJsonData"]}
    return replace(
        _new(body),
        id=stored.id,
        org_id=stored.org_id,
        version=min(version + 1, INT64 - 1),
        uid=body["uid"] or stored.uid,
        url=given.get("url", stored.url),
        database=given.get("database", stored.database),
        basic_auth_user=given.get("basicAuthUser", stored.basic_auth_user),
        password=body["password"] or stored.password,
        basic_auth_password=body["basicAuthPassword"] or stored.basic_auth_password,
        secrets=Secrets({key: value for key, value in secrets.items() if value is not None}),
    )


def _json_data(body: Bound) -> str:
    return "{}" if body["jsonData"] is None else write_json(body["jsonData"])


def _check_url(url: str) -> None:
    if url and not is_url(url):
        raise BadRequest(f'Validation error, invalid URL: "{url}"')


def _int64(segment: str) -> int:
    """A path segment as Go's `ParseInt` reads it: 0 for no number, the nearest int64 for one too far off."""
    if not re.fullmatch("[+-]?[0-9]{1,1000}", segment):
        return 0
    return max(-INT64, min(INT64 - 1, int(segment)))


def _written(source: DataSource, message: str) -> dict[str, object]:
    return {
        "datasource": _single(source),
        "id": source.id,
        "message": message,
        "name": source.name,
    }


def _single(source: DataSource) -> dict[str, object]:
    return {
        "id": source.id,
        "uid": source.uid,
        "orgId": source.org_id,
        "name": source.name,
        "type": source.type,
        "typeLogoUrl": "",
        "access": source.access,
        "url": source.url,
        "password": "",
        "user": source.user,
        "database": source.database,
        "basicAuth": source.basic_auth,
        "basicAuthUser": source.basic_auth_user,
        "basicAuthPassword": "",
        "withCredentials": source.with_credentials,
        "isDefault": source.is_default,
        "jsonData": JsonText(source.json_data),
        "secureJsonFields": dict.fromkeys(sorted(source.secrets), True),
        "version": source.version,
        "readOnly": source.read_only,
    }


def _list_element(source: DataSource, plugin: InstalledPlugin | None) -> dict[str, object]:
    return {
        "id": source.id,
        "uid": source.uid,
        "orgId": source.org_id,
        "name": source.name,
        "type": source.type,
        "typeName": plugin.name if plugin else source.type,
        "typeLogoUrl": small_logo(plugin) if plugin else UNKNOWN_LOGO,
        "access": source.access,
        "url": source.url,
        "password": "",
        "user": source.user,
        "database": source.database,
        "basicAuth": source.basic_auth,
        "isDefault": source.is_default,
        "jsonData": JsonText(source.json_data),
        "readOnly": source.read_only,
    }

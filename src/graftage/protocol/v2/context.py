"""A `pluginv2.PluginContext` between a message and a value. Every request of version 2 has one.

Generated modules are loaded by the first message: a plugin prints its handshake before that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from graftage.backend.context import AppSettings, DataSourceSettings, PluginContext, User
from graftage.backend.secrets import Secrets
from graftage.protocol.v2.parsing import json_bytes, json_text, text

if TYPE_CHECKING:
    from graftage.protocol.pb import backend_v2_pb2 as messages


def context_to_message(context: PluginContext) -> messages.PluginContext:
    """The organisation and the type of a data source are on the wire as those of the context."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    user, source, app = context.user, context.data_source, context.app
    return pb.PluginContext(
        orgId=context.org_id,
        pluginId=text(context.plugin_id),
        user=None if user is None else _user_to_message(user),
        appInstanceSettings=None if app is None else _app_to_message(app),
        dataSourceInstanceSettings=None if source is None else _source_to_message(source),
        grafanaConfig=texts(context.grafana_config),
        pluginVersion=text(context.plugin_version),
        userAgent=text(context.user_agent),
        apiVersion=text(context.api_version),
        namespace=text(context.namespace),
    )


def context_of_message(message: messages.PluginContext) -> PluginContext:
    """The context; that of a request without one is empty."""
    source, app = message.dataSourceInstanceSettings, message.appInstanceSettings
    return PluginContext(
        org_id=message.orgId,
        plugin_id=message.pluginId,
        plugin_version=message.pluginVersion,
        user=_user(message.user) if message.HasField("user") else None,
        data_source=(
            _source(source, org_id=message.orgId, type_=message.pluginId)
            if message.HasField("dataSourceInstanceSettings")
            else None
        ),
        app=_app(app) if message.HasField("appInstanceSettings") else None,
        grafana_config=dict(message.grafanaConfig),
        user_agent=message.userAgent,
        api_version=message.apiVersion,
        namespace=message.namespace,
    )


def texts(values: Mapping[str, str]) -> dict[str, str]:
    """A map of texts as protobuf takes it."""
    return {text(name): text(value) for name, value in values.items()}


def _user_to_message(user: User) -> messages.User:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return pb.User(login=text(user.login), name=text(user.name), email=text(user.email), role=text(user.role))


def _user(message: messages.User) -> User:
    return User(message.login, message.name, message.email, message.role)


def _source_to_message(source: DataSourceSettings) -> messages.DataSourceInstanceSettings:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return pb.DataSourceInstanceSettings(
        id=source.id,
        name=text(source.name),
        url=text(source.url),
        user=text(source.user),
        database=text(source.database),
        basicAuthEnabled=source.basic_auth_enabled,
        basicAuthUser=text(source.basic_auth_user),
        jsonData=json_bytes(source.json),
        decryptedSecureJsonData=texts(source.secrets),
        lastUpdatedMS=source.updated_ms,
        uid=text(source.uid),
        apiVersion=text(source.api_version),
    )


def _source(message: messages.DataSourceInstanceSettings, *, org_id: int, type_: str) -> DataSourceSettings:
    return DataSourceSettings(
        id=message.id,
        org_id=org_id,
        name=message.name,
        type=type_,
        url=message.url,
        json=json_text(message.jsonData),
        secrets=Secrets(message.decryptedSecureJsonData),
        uid=message.uid,
        user=message.user,
        database=message.database,
        basic_auth_enabled=message.basicAuthEnabled,
        basic_auth_user=message.basicAuthUser,
        updated_ms=message.lastUpdatedMS,
        api_version=message.apiVersion,
    )


def _app_to_message(app: AppSettings) -> messages.AppInstanceSettings:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return pb.AppInstanceSettings(
        jsonData=json_bytes(app.json),
        decryptedSecureJsonData=texts(app.secrets),
        lastUpdatedMS=app.updated_ms,
        apiVersion=text(app.api_version),
    )


def _app(message: messages.AppInstanceSettings) -> AppSettings:
    return AppSettings(
        json_text(message.jsonData),
        Secrets(message.decryptedSecureJsonData),
        message.lastUpdatedMS,
        message.apiVersion,
    )

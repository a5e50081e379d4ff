"""The context of a call of version 2 on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from graftage.backend.admission import AdmissionRequest, ConversionRequest, Kind
from graftage.backend.context import AppSettings, DataSourceSettings, PluginContext, User
from graftage.backend.health import HealthRequest
from graftage.backend.resource import ResourceRequest
from graftage.backend.secrets import Secrets
from graftage.backend.stream import StreamRequest
from graftage.protocol.pb import backend_v2_pb2 as pb
from graftage.protocol.v2 import admission, diagnostics, resource, stream
from graftage.protocol.v2.context import context_of_message, context_to_message

SOURCE = DataSourceSettings(
    7,
    2,
    "Probe",
    "probe-datasource",
    "http://x",
    '{"a":1}',
    Secrets({"key": "s3cr3t"}),
    "u1",
    "me",
    "db",
    True,
    "basic",
    1234,
    "v0alpha1",
)

NOTHING = PluginContext()
REQUESTS: list[tuple[Any, Callable[[Any], bytes], Any]] = [
    (HealthRequest(NOTHING), diagnostics.encode_health_request, pb.CheckHealthRequest),
    (NOTHING, diagnostics.encode_metrics_request, pb.CollectMetricsRequest),
    (ResourceRequest(NOTHING, ""), resource.encode_resource_request, pb.CallResourceRequest),
    (StreamRequest(NOTHING, ""), stream.encode_stream_request, pb.SubscribeStreamRequest),
    (StreamRequest(NOTHING, ""), stream.encode_stream_request, pb.RunStreamRequest),
    (StreamRequest(NOTHING, ""), stream.encode_stream_request, pb.PublishStreamRequest),
    (AdmissionRequest(NOTHING, 0, Kind()), admission.encode_admission_request, pb.AdmissionRequest),
    (ConversionRequest(NOTHING, "", ()), admission.encode_conversion_request, pb.ConversionRequest),
]


@pytest.mark.parametrize(
    ("request_", "encode", "kind"), REQUESTS, ids=[kind.__name__ for *_, kind in REQUESTS]
)
def test_every_request_has_a_context_even_an_empty_one(
    request_: Any, encode: Callable[[Any], bytes], kind: Any
) -> None:
    assert kind.FromString(encode(request_)).HasField("pluginContext")


def test_every_field_is_where_grafana_puts_it() -> None:
    context = PluginContext(
        org_id=2,
        plugin_id="probe-datasource",
        plugin_version="1.2.3",
        user=User("me", "My Name", "me@x", "Editor"),
        data_source=SOURCE,
        app=AppSettings('{"b":2}', Secrets({"k": "v"}), 5678, "v1"),
        grafana_config={"GF_SQL_ROW_LIMIT": "10"},
        user_agent="Grafana/7.5.5 (linux; amd64)",
        api_version="v2",
        namespace="default",
    )
    assert context_to_message(context) == pb.PluginContext(
        orgId=2,
        pluginId="probe-datasource",
        user=pb.User(login="me", name="My Name", email="me@x", role="Editor"),
        appInstanceSettings=pb.AppInstanceSettings(
            jsonData=b'{"b":2}', decryptedSecureJsonData={"k": "v"}, lastUpdatedMS=5678, apiVersion="v1"
        ),
        dataSourceInstanceSettings=pb.DataSourceInstanceSettings(
            id=7,
            name="Probe",
            url="http://x",
            user="me",
            database="db",
            basicAuthEnabled=True,
            basicAuthUser="basic",
            jsonData=b'{"a":1}',
            decryptedSecureJsonData={"key": "s3cr3t"},
            lastUpdatedMS=1234,
            uid="u1",
            apiVersion="v0alpha1",
        ),
        grafanaConfig={"GF_SQL_ROW_LIMIT": "10"},
        pluginVersion="1.2.3",
        userAgent="Grafana/7.5.5 (linux; amd64)",
        apiVersion="v2",
        namespace="default",
    )


def test_a_data_source_is_of_the_organisation_and_the_type_of_its_context() -> None:
    message = pb.PluginContext(
        orgId=2, pluginId="probe-datasource", dataSourceInstanceSettings=pb.DataSourceInstanceSettings(id=7)
    )
    source = context_of_message(message).data_source
    assert source is not None
    assert (source.id, source.org_id, source.type, source.json) == (7, 2, "probe-datasource", "")


def test_whoever_is_not_named_is_none_and_not_somebody_without_a_name() -> None:
    absent = context_of_message(pb.PluginContext())
    assert (absent.user, absent.data_source, absent.app) == (None, None, None)
    empty = pb.PluginContext(
        user=pb.User(),
        appInstanceSettings=pb.AppInstanceSettings(),
        dataSourceInstanceSettings=pb.DataSourceInstanceSettings(),
    )
    present = context_of_message(pb.PluginContext.FromString(empty.SerializeToString()))
    assert present.user == User()
    assert present.data_source is not None
    assert present.app is not None

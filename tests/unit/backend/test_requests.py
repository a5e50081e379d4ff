"""Requests to plugins do not show what may be secret in them."""

from __future__ import annotations

import pytest

from graftage.backend.admission import AdmissionRequest, ConversionRequest, Kind, RawObject, Verdict
from graftage.backend.context import DataSourceSettings, PluginContext, context_of
from graftage.backend.health import HealthRequest
from graftage.backend.query import QueryRequest, TimeRange
from graftage.backend.resource import ResourceRequest
from graftage.backend.secrets import Secrets
from graftage.backend.stream import StreamRequest

SECRET = "s3cr3t"
HEADERS = {"Cookie": SECRET}
CONTEXT = context_of(DataSourceSettings(1, 1, "n", "p", secrets=Secrets({"key": SECRET})))
OBJECT = b'{"password":"s3cr3t"}'


@pytest.mark.parametrize(
    "request_",
    [
        CONTEXT,
        PluginContext(grafana_config={"GF_PLUGIN_CLIENT_SECRET": SECRET}),
        QueryRequest(TimeRange(0, 1), CONTEXT, (), HEADERS),
        HealthRequest(CONTEXT, HEADERS),
        ResourceRequest(CONTEXT, "a", headers={"Cookie": (SECRET,)}, body=OBJECT),
        StreamRequest(CONTEXT, "a", headers=HEADERS),
        AdmissionRequest(CONTEXT, 1, Kind(), OBJECT, OBJECT),
        Verdict(allowed=True, object_json=OBJECT),
        ConversionRequest(CONTEXT, "u", (RawObject(OBJECT),)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_secrets_do_not_show_in_a_repr(request_: object) -> None:
    assert SECRET not in repr(request_)

"""The services of the two protocol versions, who answers them, and which plugin offers them.

This table is all that is looked at before the handshake. The modules it names are loaded behind it, and their
services are made of the plugin's runtime. A method is `async def`: one that answers once takes message and
metadata and returns a message, one that answers in pieces takes a function to send them as well.

A capability that a class has no handlers for is not served, so that the host gets UNIMPLEMENTED.

Source: grafana/grafana-plugin-sdk-go, backend/grpcplugin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from graftage.protocol import rpc
from graftage.sdk.handlers import answers_queries
from graftage.sdk.marks import answers_admission, answers_resources, answers_streams, converts_objects


class Method(NamedTuple):
    """attribute: its name in the service's class. streams: does it answer in pieces? endless: and go on with
    them until it is told to stop?"""

    attribute: str
    streams: bool = False
    endless: bool = False


class Service(NamedTuple):
    """home: its class, as `module:class`. is_offered: does this class or object of an author have it?"""

    home: str
    methods: Mapping[str, Method]
    is_offered: Callable[[object], bool]


def always(_: object) -> bool:
    return True


SERVICES: Mapping[int, Mapping[str, Service]] = {
    1: {
        rpc.DATASOURCE_V1: Service(
            "graftage.sdk.data_service:DataServiceV1", {"Query": Method("query")}, answers_queries
        ),
    },
    2: {
        rpc.DATA: Service(
            "graftage.sdk.data_service:DataService",
            {
                "QueryData": Method("query_data"),
                "QueryChunkedData": Method("query_chunked_data", streams=True),
            },
            answers_queries,
        ),
        rpc.DIAGNOSTICS: Service(
            "graftage.sdk.diagnostics_service:DiagnosticsService",
            {"CheckHealth": Method("check_health"), "CollectMetrics": Method("collect_metrics")},
            always,
        ),
        rpc.RESOURCE: Service(
            "graftage.sdk.resource_service:ResourceService",
            {"CallResource": Method("call_resource", streams=True)},
            answers_resources,
        ),
        rpc.STREAM: Service(
            "graftage.sdk.stream_service:StreamService",
            {
                "SubscribeStream": Method("subscribe_stream"),
                "RunStream": Method("run_stream", streams=True, endless=True),
                "PublishStream": Method("publish_stream"),
            },
            answers_streams,
        ),
        rpc.ADMISSION: Service(
            "graftage.sdk.admission_service:AdmissionService",
            {
                "ValidateAdmission": Method("validate_admission"),
                "MutateAdmission": Method("mutate_admission"),
            },
            answers_admission,
        ),
        rpc.CONVERSION: Service(
            "graftage.sdk.admission_service:ConversionService",
            {"ConvertObjects": Method("convert_objects")},
            converts_objects,
        ),
    },
}

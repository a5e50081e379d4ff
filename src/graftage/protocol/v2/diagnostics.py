"""The messages of `pluginv2.Diagnostics`: health and metrics."""

from __future__ import annotations

from graftage.backend.context import PluginContext
from graftage.backend.health import HealthReport, HealthRequest
from graftage.protocol.v2.context import context_of_message, context_to_message, texts
from graftage.protocol.v2.parsing import parse, text


def encode_health_request(request: HealthRequest) -> bytes:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return pb.CheckHealthRequest(
        pluginContext=context_to_message(request.context), headers=texts(request.headers)
    ).SerializeToString()


def decode_health_request(data: bytes) -> HealthRequest:
    """Raises WireError."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = parse(pb.CheckHealthRequest, data)
    return HealthRequest(context_of_message(message.pluginContext), dict(message.headers))


def encode_health_report(report: HealthReport) -> bytes:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = pb.CheckHealthResponse(message=text(report.message), jsonDetails=report.details_json)
    message.status = report.status  # type: ignore[assignment] # a number of no name is allowed, and kept
    return message.SerializeToString()


def decode_health_report(data: bytes) -> HealthReport:
    """Raises WireError."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = parse(pb.CheckHealthResponse, data)
    return HealthReport(int(message.status), message.message, message.jsonDetails)


def encode_metrics_request(context: PluginContext) -> bytes:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return pb.CollectMetricsRequest(pluginContext=context_to_message(context)).SerializeToString()


def decode_metrics_request(data: bytes) -> PluginContext:
    """The context; empty in the requests of Grafana 7. Raises WireError."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return context_of_message(parse(pb.CollectMetricsRequest, data).pluginContext)


def encode_metrics(metrics: bytes) -> bytes:
    """metrics: text in Prometheus' exposition format."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    payload = pb.CollectMetricsResponse.Payload(prometheus=metrics)
    return pb.CollectMetricsResponse(metrics=payload).SerializeToString()


def decode_metrics(data: bytes) -> bytes:
    """Text in Prometheus' exposition format. Raises WireError."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return parse(pb.CollectMetricsResponse, data).metrics.prometheus

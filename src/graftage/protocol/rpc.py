"""Names of the services and methods on a plugin's socket.

Source: hashicorp/go-plugin (package `plugin`), the gRPC health standard, Grafana's plugin model (`models`),
Grafana's plugin SDK (`pluginv2`).
"""

from __future__ import annotations

HEALTH = "grpc.health.v1.Health"
HEALTH_NAME = "plugin"  # the service name that a host asks the health service for
CONTROLLER = "plugin.GRPCController"
STDIO = "plugin.GRPCStdio"
BROKER = "plugin.GRPCBroker"
REFLECTION = ("grpc.reflection.v1alpha.ServerReflection", "grpc.reflection.v1.ServerReflection")
DATASOURCE_V1 = "models.DatasourcePlugin"
DATA = "pluginv2.Data"
DIAGNOSTICS = "pluginv2.Diagnostics"
RESOURCE = "pluginv2.Resource"
STREAM = "pluginv2.Stream"
ADMISSION = "pluginv2.AdmissionControl"
CONVERSION = "pluginv2.ResourceConversion"
HOST_QUERY = "graftage.host.v1.HostQuery"

# Metadata with which a plugin of ours opens its output stream: each line on the channel for stdout is on the
# pipe for stderr already, as a log record.
OUTPUT_IS_LOGGED = "graftage-output-is-logged"

# Metadata of a call in which the plugin may ask other data sources of the host: `<number>:<token>`, where the
# number is that of a connection which the broker offers.
HOST_QUERY_KEY = "graftage-host-query"

HEALTH_CHECK = f"/{HEALTH}/Check"
SHUTDOWN = f"/{CONTROLLER}/Shutdown"
STREAM_STDIO = f"/{STDIO}/StreamStdio"
START_BROKER = f"/{BROKER}/StartStream"
QUERY_V1 = f"/{DATASOURCE_V1}/Query"

QUERY_DATA = f"/{DATA}/QueryData"
QUERY_CHUNKED_DATA = f"/{DATA}/QueryChunkedData"
CHECK_HEALTH = f"/{DIAGNOSTICS}/CheckHealth"
COLLECT_METRICS = f"/{DIAGNOSTICS}/CollectMetrics"
CALL_RESOURCE = f"/{RESOURCE}/CallResource"
SUBSCRIBE_STREAM = f"/{STREAM}/SubscribeStream"
RUN_STREAM = f"/{STREAM}/RunStream"
PUBLISH_STREAM = f"/{STREAM}/PublishStream"
VALIDATE_ADMISSION = f"/{ADMISSION}/ValidateAdmission"
MUTATE_ADMISSION = f"/{ADMISSION}/MutateAdmission"
CONVERT_OBJECTS = f"/{CONVERSION}/ConvertObjects"
ASK_HOST = f"/{HOST_QUERY}/Query"

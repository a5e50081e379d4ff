"""Names of the services and methods on a plugin's socket.

Source: hashicorp/go-plugin (package `plugin`), the gRPC health standard, Grafana's plugin model (`models`).
"""

from __future__ import annotations

HEALTH = "grpc.health.v1.Health"
HEALTH_NAME = "plugin"  # the service name that a host asks the health service for
CONTROLLER = "plugin.GRPCController"
STDIO = "plugin.GRPCStdio"
BROKER = "plugin.GRPCBroker"
REFLECTION = ("grpc.reflection.v1alpha.ServerReflection", "grpc.reflection.v1.ServerReflection")
DATASOURCE_V1 = "models.DatasourcePlugin"

# Metadata with which a plugin of ours opens its output stream: each line of it is on stderr already, as a
# log record.
OUTPUT_IS_LOGGED = "graftage-output-is-logged"

HEALTH_CHECK = f"/{HEALTH}/Check"
SHUTDOWN = f"/{CONTROLLER}/Shutdown"
STREAM_STDIO = f"/{STDIO}/StreamStdio"
START_BROKER = f"/{BROKER}/StartStream"
QUERY_V1 = f"/{DATASOURCE_V1}/Query"

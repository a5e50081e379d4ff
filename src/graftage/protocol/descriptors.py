"""The descriptions of all messages and services, for tools that ask a plugin what it serves."""

from __future__ import annotations


def load_descriptors() -> None:
    """Make them known to protobuf's default pool: importing a generated module does that."""
    from graftage.protocol.pb import backend_v2_pb2, datasource_v1_pb2, goplugin_pb2  # noqa: F401

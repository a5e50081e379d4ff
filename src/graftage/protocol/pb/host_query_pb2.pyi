from graftage.protocol.pb import backend_v2_pb2 as _backend_v2_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HostQueryRequest(_message.Message):
    __slots__ = ("token", "dataSourceUid", "timeRange", "queries")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    DATASOURCEUID_FIELD_NUMBER: _ClassVar[int]
    TIMERANGE_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    token: str
    dataSourceUid: str
    timeRange: _backend_v2_pb2.TimeRange
    queries: _containers.RepeatedCompositeFieldContainer[_backend_v2_pb2.DataQuery]
    def __init__(self, token: _Optional[str] = ..., dataSourceUid: _Optional[str] = ..., timeRange: _Optional[_Union[_backend_v2_pb2.TimeRange, _Mapping]] = ..., queries: _Optional[_Iterable[_Union[_backend_v2_pb2.DataQuery, _Mapping]]] = ...) -> None: ...

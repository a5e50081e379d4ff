from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DatasourceRequest(_message.Message):
    __slots__ = ("timeRange", "datasource", "queries")
    TIMERANGE_FIELD_NUMBER: _ClassVar[int]
    DATASOURCE_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    timeRange: TimeRange
    datasource: DatasourceInfo
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    def __init__(self, timeRange: _Optional[_Union[TimeRange, _Mapping]] = ..., datasource: _Optional[_Union[DatasourceInfo, _Mapping]] = ..., queries: _Optional[_Iterable[_Union[Query, _Mapping]]] = ...) -> None: ...

class Query(_message.Message):
    __slots__ = ("refId", "maxDataPoints", "intervalMs", "modelJson")
    REFID_FIELD_NUMBER: _ClassVar[int]
    MAXDATAPOINTS_FIELD_NUMBER: _ClassVar[int]
    INTERVALMS_FIELD_NUMBER: _ClassVar[int]
    MODELJSON_FIELD_NUMBER: _ClassVar[int]
    refId: str
    maxDataPoints: int
    intervalMs: int
    modelJson: str
    def __init__(self, refId: _Optional[str] = ..., maxDataPoints: _Optional[int] = ..., intervalMs: _Optional[int] = ..., modelJson: _Optional[str] = ...) -> None: ...

class TimeRange(_message.Message):
    __slots__ = ("fromRaw", "toRaw", "fromEpochMs", "toEpochMs")
    FROMRAW_FIELD_NUMBER: _ClassVar[int]
    TORAW_FIELD_NUMBER: _ClassVar[int]
    FROMEPOCHMS_FIELD_NUMBER: _ClassVar[int]
    TOEPOCHMS_FIELD_NUMBER: _ClassVar[int]
    fromRaw: str
    toRaw: str
    fromEpochMs: int
    toEpochMs: int
    def __init__(self, fromRaw: _Optional[str] = ..., toRaw: _Optional[str] = ..., fromEpochMs: _Optional[int] = ..., toEpochMs: _Optional[int] = ...) -> None: ...

class DatasourceResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[QueryResult]
    def __init__(self, results: _Optional[_Iterable[_Union[QueryResult, _Mapping]]] = ...) -> None: ...

class QueryResult(_message.Message):
    __slots__ = ("error", "refId", "metaJson", "series", "tables")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REFID_FIELD_NUMBER: _ClassVar[int]
    METAJSON_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    TABLES_FIELD_NUMBER: _ClassVar[int]
    error: str
    refId: str
    metaJson: str
    series: _containers.RepeatedCompositeFieldContainer[TimeSeries]
    tables: _containers.RepeatedCompositeFieldContainer[Table]
    def __init__(self, error: _Optional[str] = ..., refId: _Optional[str] = ..., metaJson: _Optional[str] = ..., series: _Optional[_Iterable[_Union[TimeSeries, _Mapping]]] = ..., tables: _Optional[_Iterable[_Union[Table, _Mapping]]] = ...) -> None: ...

class Table(_message.Message):
    __slots__ = ("columns", "rows")
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    columns: _containers.RepeatedCompositeFieldContainer[TableColumn]
    rows: _containers.RepeatedCompositeFieldContainer[TableRow]
    def __init__(self, columns: _Optional[_Iterable[_Union[TableColumn, _Mapping]]] = ..., rows: _Optional[_Iterable[_Union[TableRow, _Mapping]]] = ...) -> None: ...

class TableColumn(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class TableRow(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[RowValue]
    def __init__(self, values: _Optional[_Iterable[_Union[RowValue, _Mapping]]] = ...) -> None: ...

class RowValue(_message.Message):
    __slots__ = ("kind", "doubleValue", "int64Value", "boolValue", "stringValue", "bytesValue")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_NULL: _ClassVar[RowValue.Kind]
        TYPE_DOUBLE: _ClassVar[RowValue.Kind]
        TYPE_INT64: _ClassVar[RowValue.Kind]
        TYPE_BOOL: _ClassVar[RowValue.Kind]
        TYPE_STRING: _ClassVar[RowValue.Kind]
        TYPE_BYTES: _ClassVar[RowValue.Kind]
    TYPE_NULL: RowValue.Kind
    TYPE_DOUBLE: RowValue.Kind
    TYPE_INT64: RowValue.Kind
    TYPE_BOOL: RowValue.Kind
    TYPE_STRING: RowValue.Kind
    TYPE_BYTES: RowValue.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    DOUBLEVALUE_FIELD_NUMBER: _ClassVar[int]
    INT64VALUE_FIELD_NUMBER: _ClassVar[int]
    BOOLVALUE_FIELD_NUMBER: _ClassVar[int]
    STRINGVALUE_FIELD_NUMBER: _ClassVar[int]
    BYTESVALUE_FIELD_NUMBER: _ClassVar[int]
    kind: RowValue.Kind
    doubleValue: float
    int64Value: int
    boolValue: bool
    stringValue: str
    bytesValue: bytes
    def __init__(self, kind: _Optional[_Union[RowValue.Kind, str]] = ..., doubleValue: _Optional[float] = ..., int64Value: _Optional[int] = ..., boolValue: _Optional[bool] = ..., stringValue: _Optional[str] = ..., bytesValue: _Optional[bytes] = ...) -> None: ...

class DatasourceInfo(_message.Message):
    __slots__ = ("id", "orgId", "name", "type", "url", "jsonData", "decryptedSecureJsonData")
    class DecryptedSecureJsonDataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    ORGID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    JSONDATA_FIELD_NUMBER: _ClassVar[int]
    DECRYPTEDSECUREJSONDATA_FIELD_NUMBER: _ClassVar[int]
    id: int
    orgId: int
    name: str
    type: str
    url: str
    jsonData: str
    decryptedSecureJsonData: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[int] = ..., orgId: _Optional[int] = ..., name: _Optional[str] = ..., type: _Optional[str] = ..., url: _Optional[str] = ..., jsonData: _Optional[str] = ..., decryptedSecureJsonData: _Optional[_Mapping[str, str]] = ...) -> None: ...

class TimeSeries(_message.Message):
    __slots__ = ("name", "tags", "points")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    tags: _containers.ScalarMap[str, str]
    points: _containers.RepeatedCompositeFieldContainer[Point]
    def __init__(self, name: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., points: _Optional[_Iterable[_Union[Point, _Mapping]]] = ...) -> None: ...

class Point(_message.Message):
    __slots__ = ("timestamp", "value")
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    timestamp: int
    value: float
    def __init__(self, timestamp: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...

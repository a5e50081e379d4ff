"""A stream of one int64 column `x`, built by hand over the C structs, which counts what is released.

Source of the structs: Apache Arrow, "The Arrow C data interface", "The Arrow C stream interface".
"""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    addressof,
    c_char_p,
    c_int,
    c_int64,
    c_void_p,
    cast,
    pointer,
    py_object,
    pythonapi,
)

_IO_ERROR = 5


class _Schema(Structure):
    pass


class _Array(Structure):
    pass


class _Stream(Structure):
    pass


_ReleaseSchema = CFUNCTYPE(None, POINTER(_Schema))
_ReleaseArray = CFUNCTYPE(None, POINTER(_Array))
_ReleaseStream = CFUNCTYPE(None, POINTER(_Stream))
_Schema._fields_ = [
    ("format", c_char_p),
    ("name", c_char_p),
    ("metadata", c_char_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", POINTER(POINTER(_Schema))),
    ("dictionary", c_void_p),
    ("release", _ReleaseSchema),
    ("private_data", c_void_p),
]
_Array._fields_ = [
    ("length", c_int64),
    ("null_count", c_int64),
    ("offset", c_int64),
    ("n_buffers", c_int64),
    ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)),
    ("children", POINTER(POINTER(_Array))),
    ("dictionary", c_void_p),
    ("release", _ReleaseArray),
    ("private_data", c_void_p),
]
_GetSchema = CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Schema))
_GetNext = CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Array))
_GetLastError = CFUNCTYPE(c_void_p, POINTER(_Stream))
_Stream._fields_ = [
    ("get_schema", _GetSchema),
    ("get_next", _GetNext),
    ("get_last_error", _GetLastError),
    ("release", _ReleaseStream),
    ("private_data", c_void_p),
]
_capsule = pythonapi.PyCapsule_New
_capsule.restype = py_object
_capsule.argtypes = [c_void_p, c_char_p, c_void_p]


class CountedStream:
    """Yields `batches`, then ends, or fails if `fails`. Counts structs that are out and not yet released."""

    def __init__(self, *batches: list[int], column_format: bytes = b"l", fails: bool = False) -> None:
        self.opened = 0
        self.unreleased = {"schema": 0, "array": 0, "stream": 0}
        self._batches = iter(batches)
        self._format = column_format
        self._fails = fails
        self._message = c_char_p(b"the disk is gone")
        self._kept: list[object] = []  # what the structs point to
        self._callbacks = (_GetSchema(self._get_schema), _GetNext(self._get_next))
        self._last_error = _GetLastError(lambda _stream: cast(self._message, c_void_p).value)
        self._release_schema = _ReleaseSchema(lambda struct: self._release("schema", struct))
        self._release_array = _ReleaseArray(lambda struct: self._release("array", struct))
        self._release_stream = _ReleaseStream(lambda struct: self._release("stream", struct))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        self.opened += 1
        self.unreleased["stream"] += 1
        stream = _Stream(*self._callbacks, self._last_error, self._release_stream, None)
        self._kept.append(stream)
        return _capsule(addressof(stream), b"arrow_array_stream", None)

    def _get_schema(self, _stream: object, out: object) -> int:
        column = _Schema(self._format, b"x", None, 0, 0, None, None, self._release_schema, None)
        children = (POINTER(_Schema) * 1)(pointer(column))
        self._kept += [column, children]
        self.unreleased["schema"] += 2
        out[0] = _Schema(b"+s", b"", None, 0, 1, children, None, self._release_schema, None)
        return 0

    def _get_next(self, _stream: object, out: object) -> int:
        values = next(self._batches, None)
        if values is None:
            out[0].release = _ReleaseArray()
            return _IO_ERROR if self._fails else 0
        data = (c_int64 * len(values))(*values)
        buffers = (c_void_p * 2)(None, addressof(data))
        none = (c_void_p * 1)(None)
        column = _Array(len(values), 0, 0, 2, 0, buffers, None, None, self._release_array, None)
        children = (POINTER(_Array) * 1)(pointer(column))
        self._kept += [data, buffers, none, column, children]
        self.unreleased["array"] += 2
        out[0] = _Array(len(values), 0, 0, 1, 1, none, children, None, self._release_array, None)
        return 0

    def _release(self, kind: str, struct: object) -> None:
        self.unreleased[kind] -= 1
        content = struct.contents
        if kind != "stream":
            for index in range(content.n_children):
                if content.children[index].contents.release:
                    content.children[index].contents.release(content.children[index])
        content.release = type(content.release)()

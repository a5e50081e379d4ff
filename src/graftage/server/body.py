"""Reading request bodies as Grafana binds them: from JSON or a form, into the fields of a declared model.

The rules are those of Go's JSON decoder: keys of the model match without regard to case, unknown keys are
ignored, `null` leaves a field at its zero value, text after the first value is not looked at. So are the
complaints, which name a Go type and field; a client that shows them shows what Grafana would.

Sources: Go, encoding/json `decode.go` and `fold.go`; go-macaron/binding, `bind` and `errorHandler`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email import policy
from email.parser import BytesParser
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from graftage.data.canonical_json import JsonSyntaxError, Number, first_value, write_json
from graftage.server.answers import BodyRefused, Refused

DEFAULT_LIMIT: Final = (
    10 * 1024 * 1024
)  # a dashboard's queries are kilobytes; this bounds what a stranger can make us hold

_BLANKS: Final = b" \t\r\n"
_UNREADABLE: Final = "DeserializationError"
# The only letters outside ASCII that fold to one inside: LONG S and KELVIN SIGN.
_FOLDED: Final = str.maketrans({"\u017f": "s", "\u212a": "k"})
_INT64_MAX: Final = 2**63 - 1
_INT64_DIGITS: Final = 19
# What Go's strconv.ParseBool reads, and the `on` of a ticked box.
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True", "on"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False", ""})


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a model: its JSON key, Go's name for its type, and how values become it.

    from_form: None for a field that forms cannot set.
    """

    name: str
    zero: Callable[[], object]
    from_json: Callable[[object], object]
    from_form: Callable[[str], object] | None = None
    required: bool = False


class Model:
    """The fields that a request body can set, and the Go type whose name is in the complaints."""

    __slots__ = ("by_key", "fields", "go_type")

    def __init__(self, go_type: str, *fields: Field) -> None:
        self.go_type = go_type
        self.fields = fields
        self.by_key = {field.name: field for field in fields}
        # The exact spelling comes first when it is looked up, then any other.
        self.by_key |= {_fold(field.name): field for field in fields}


@dataclass(frozen=True, slots=True)
class Bound:
    """The values of a model's fields, each of its declared type.

    given: the names of those that the body held, with something other than null.
    """

    values: Mapping[str, Any]
    given: frozenset[str]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def text(name: str, *, required: bool = False) -> Field:
    """A string; `required` ones must not be empty."""
    return Field(name, str, _text, str, required)


def flag(name: str) -> Field:
    """True or false."""
    return Field(name, bool, _flag, _flag_from_form)


def integer(name: str, *, go_type: str = "int") -> Field:
    """A whole number of 64 bits, written without point or exponent."""
    return Field(name, int, lambda value: _integer(value, go_type), _integer_from_form)


def free(name: str) -> Field:
    """Any JSON value, as `canonical_json.read_json` gives it; None when absent."""
    return Field(name, lambda: None, lambda value: value)


def items(name: str) -> Field:
    """A list of any JSON values."""
    return Field(name, list, _items)


def texts(name: str) -> Field:
    """An object of strings; a null in it stays None, which only the handler knows the meaning of."""
    return Field(name, dict, _texts)


async def read_body(request: Request, model: Model, *, limit: int = DEFAULT_LIMIT) -> Bound:
    """The body of `request` as the fields of `model`.

    limit: the most bytes that are read. Raises BodyRefused or Refused with the status to answer.
    """
    content_type = request.headers.get("content-type", "")
    if "form-urlencoded" in content_type:
        form = parse_qsl((await read_bytes(request, limit)).decode(errors="replace"), keep_blank_values=True)
        return _bind_form(model, dict(reversed(form)))
    if "multipart/form-data" in content_type:
        return _bind_form(model, _multipart(model, content_type, await read_bytes(request, limit)))
    if "json" in content_type:
        return bind_json(model, await read_bytes(request, limit))
    complaint = "Unsupported Content-Type" if content_type else "Empty Content-Type"
    raise _refused(415, [_Complaint("ContentTypeError", complaint)])


def bind_json(model: Model, body: bytes) -> Bound:
    """The fields of `model` in a JSON text. Raises BodyRefused."""
    if not body.strip(_BLANKS):
        return _checked(model, {}, [])
    try:
        document, _ = first_value(body)
    except JsonSyntaxError as error:
        return _checked(model, {}, [_Complaint(_UNREADABLE, str(error))])
    if document is None:
        return _checked(model, {}, [])
    if not isinstance(document, dict):
        complaint = f"json: cannot unmarshal {_word(document)} into Go value of type {model.go_type}"
        return _checked(model, {}, [_Complaint(_UNREADABLE, complaint)])

    given: dict[str, object] = {}
    errors: list[_Complaint] = []
    for key, value in document.items():
        field = model.by_key.get(key) or model.by_key.get(_fold(key))
        if field is None or value is None:
            continue
        try:
            given[field.name] = field.from_json(value)
        except _Mismatch as mismatch:
            # Like Go, report the first one and read the rest, so that missing fields are reported as well.
            if not errors:
                struct = model.go_type.rpartition(".")[2]
                complaint = (
                    f"json: cannot unmarshal {mismatch.found} into Go struct field "
                    f"{struct}.{field.name} of type {mismatch.go_type}"
                )
                errors.append(_Complaint(_UNREADABLE, complaint))
    return _checked(model, given, errors)


def _bind_form(model: Model, form: Mapping[str, str]) -> Bound:
    given: dict[str, object] = {}
    errors: list[_Complaint] = []
    for field in model.fields:
        if field.from_form is None or field.name not in form:
            continue
        try:
            given[field.name] = field.from_form(form[field.name])
        except _Mismatch as mismatch:
            complaint = f"Value could not be parsed as {mismatch.found}"
            errors.append(_Complaint(f"{mismatch.found.title()}TypeError", complaint, field.name))
    return _checked(model, given, errors)


def _multipart(model: Model, content_type: str, body: bytes) -> Mapping[str, str]:
    """The text fields of a multipart body, the first of each name; files are left out."""
    head = b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n"
    message = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    complaint = ""
    if message.get_boundary() is None:
        complaint = "no multipart boundary param in Content-Type"
    elif not message.is_multipart():
        complaint = "multipart: NextPart: EOF"
    if complaint:
        _checked(model, {}, [_Complaint(_UNREADABLE, complaint)])
    form: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes) and part.get_filename() is None:
            form.setdefault(name, payload.decode(errors="replace"))
    return form


def _checked(model: Model, given: Mapping[str, object], errors: list[_Complaint]) -> Bound:
    """What was bound, if there is nothing to complain about. Raises BodyRefused."""
    missing = [
        _Complaint("RequiredError", "Required", field.name[:1].upper() + field.name[1:])
        for field in model.fields
        if field.required and not given.get(field.name)
    ]
    if errors or missing:
        unreadable = any(error.classification == _UNREADABLE for error in errors)
        raise _refused(400 if unreadable else 422, [*errors, *missing])
    values = {
        field.name: given[field.name] if field.name in given else field.zero() for field in model.fields
    }
    return Bound(values, frozenset(given))


def _refused(status: int, complaints: list[_Complaint]) -> BodyRefused:
    return BodyRefused(status, f"[{','.join(complaint.json() for complaint in complaints)}]")


async def read_bytes(request: Request, limit: int) -> bytes:
    """The whole body. Raises Refused when it is longer than `limit`, before holding more than that."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced[:_INT64_DIGITS]) > limit:
        raise _too_long(limit)
    chunks: list[bytes] = []
    length = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        length += len(chunk)
        if length > limit:
            raise _too_long(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_long(limit: int) -> Refused:
    return Refused(413, f"the request body is longer than the {limit} bytes that this server reads")


@dataclass(frozen=True, slots=True)
class _Complaint:
    """One error of the array that refuses a body."""

    classification: str
    message: str
    field: str = ""

    def json(self) -> str:
        names = f'"fieldNames":[{write_json(self.field)}],' if self.field else ""
        return f'{{{names}"classification":"{self.classification}","message":{write_json(self.message)}}}'


class _Mismatch(Exception):
    """A value does not have the type of its field. found: what it is instead, in Go's words."""

    def __init__(self, found: str, go_type: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.go_type = go_type


def _text(value: object) -> str:
    if isinstance(value, str) and not isinstance(value, Number):
        return value
    raise _Mismatch(_word(value), "string")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _Mismatch(_word(value), "bool")


def _integer(value: object, go_type: str) -> int:
    if not isinstance(value, Number):
        raise _Mismatch(_word(value), go_type)
    number = _int64(value)
    if number is None:
        raise _Mismatch(f"number {value}", go_type)
    return number


def _items(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    raise _Mismatch(_word(value), "[]*simplejson.Json")


def _texts(value: object) -> dict[str, str | None]:
    if not isinstance(value, dict):
        raise _Mismatch(_word(value), "map[string]string")
    return {key: None if element is None else _text(element) for key, element in value.items()}


def _flag_from_form(value: str) -> bool:
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise _Mismatch("boolean")


def _integer_from_form(value: str) -> int:
    number = _int64(value or "0")
    if number is None:
        raise _Mismatch("integer")
    return number


def _int64(literal: str) -> int | None:
    digits = literal.removeprefix("-")
    if len(digits) > _INT64_DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    number = int(literal)
    return number if -_INT64_MAX - 1 <= number <= _INT64_MAX else None


def _word(value: object) -> str:
    """Go's word for the kind of a JSON value."""
    match value:
        case bool():
            return "bool"
        case Number():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _fold(key: str) -> str:
    """A key as it is compared. Letters that only Python folds into ASCII, such as `ß`, keep apart."""
    key = key.translate(_FOLDED)
    return key.lower() if key.isascii() else key

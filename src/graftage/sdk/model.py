"""JSON text into the type that an author's annotation names.

    async def forecast(self, query: Query[Forecast]): ...     Forecast: a dataclass, msgspec.Struct, TypedDict
    def __init__(self, settings: Settings[Station]): ...
    settings: Settings[Station]                               in the body of the class, says the same

Without an annotation, and for `dict` and `Any`, JSON objects stay plain dicts. Keys that a type does not know
are ignored; a value of the wrong type is an error that names its place.
"""

from __future__ import annotations

import inspect
import json
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from graftage.errors import PluginFault

_UNTYPED = (dict, Mapping, object)


class UnreadableModel(PluginFault):
    """JSON that does not fit what the plugin's author expects there."""


def model_of(function: Callable[..., Any], generic: type) -> Any:
    """The type inside `generic[...]` where a parameter of `function` is annotated so; None where none is.

    Raises PluginFault when such an annotation cannot be understood.
    """
    for annotation in _annotations(function):
        meaning = _evaluate(annotation, function, generic) if isinstance(annotation, str) else annotation
        if typing.get_origin(meaning) is generic:
            return _inside(meaning)
    return None


def model_of_attribute(cls: type, name: str, generic: type) -> Any:
    """The same for an attribute that the body of a class annotates, or of one that it derives from."""
    for owner in cls.__mro__:
        annotation = inspect.get_annotations(owner).get(name)
        meaning = _evaluate(annotation, owner, generic) if isinstance(annotation, str) else annotation
        if typing.get_origin(meaning) is generic:
            return _inside(meaning)
    return None


def _inside(meaning: Any) -> Any:
    (model,) = typing.get_args(meaning)
    return None if _is_plain(model) else model


def _is_plain(model: Any) -> bool:
    return (
        model is Any or isinstance(model, typing.TypeVar) or (typing.get_origin(model) or model) in _UNTYPED
    )


def decode(text: str, model: Any, *, what: str) -> Any:
    """The value of the JSON `text` as a `model`; a dict when `model` is None. An empty text means `{}`.

    what: how a message calls the text. Raises UnreadableModel.
    """
    text = text or "{}"
    if model is None:
        return decode_object(text, what=what)
    try:
        if hasattr(model, "model_validate_json"):  # pydantic, without asking for it
            return model.model_validate_json(text)
        return msgspec.json.decode(text, type=model)
    except ValueError as error:  # of msgspec and pydantic alike
        raise UnreadableModel(f"{what} is not as the plugin expects it: {error}") from error


def decode_object(text: str, *, what: str) -> dict[str, Any]:
    """The JSON object in `text`, with whole numbers of any size; null and an empty text mean `{}`."""
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise UnreadableModel(f"{what} is no valid JSON: {error}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnreadableModel(f"{what} is no JSON object but {type(value).__name__}")
    return value


def _annotations(function: Callable[..., Any]) -> list[Any]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a callable that says nothing about itself
        return []
    return [parameter.annotation for parameter in parameters]


def _evaluate(annotation: str, owner: Callable[..., Any], generic: type) -> Any:
    """What an annotation means that is kept as text (`from __future__ import annotations`).

    owner: the function or class that has it. None when it cannot be understood and does not look like
    `generic[...]`.
    """
    plain = inspect.unwrap(getattr(owner, "__func__", owner))
    try:
        return eval(annotation, *_names_seen_by(plain))
    except Exception as error:
        if f"{generic.__name__}[" not in annotation:
            return None
        where = getattr(plain, "__qualname__", repr(plain))
        raise PluginFault(
            f"the annotation {annotation!r} of {where} cannot be understood: {error}; "
            "import what it names, or define it at the top of the module"
        ) from error


def _names_seen_by(owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The names of its module, and nearer ones: of a class its own, of a function those around it."""
    if isinstance(owner, type):
        return dict(vars(sys.modules[owner.__module__])), dict(vars(owner))
    code, cells = getattr(owner, "__code__", None), getattr(owner, "__closure__", None) or ()
    enclosing = zip(code.co_freevars if code else (), cells, strict=False)
    return dict(getattr(owner, "__globals__", {})), {name: cell.cell_contents for name, cell in enclosing}

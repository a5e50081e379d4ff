from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec
import pytest

from graftage.errors import PluginFault
from graftage.sdk.model import UnreadableModel, decode, model_of, model_of_attribute
from graftage.sdk.query import Query
from graftage.sdk.settings import Settings

if TYPE_CHECKING:
    from nowhere import Hidden, Unknown


@dataclass
class Station:
    name: str
    height: float = 0.0


class Forecast(msgspec.Struct, rename="camel"):
    station_name: str
    days: int = 1


class Loose(TypedDict, total=False):
    name: str


class Validating:
    """As a pydantic model: asked by this method alone."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def model_validate_json(cls, text: str) -> Validating:
        if "bad" in text:
            raise ValueError("name: must not be bad")
        return cls(text)


def typed(self: object, query: Query[Forecast]) -> None: ...
def plain(self: object, query: Query[dict[str, Any]]) -> None: ...
def anything(query: Query[Any]) -> None: ...
def bare(query: Query) -> None: ...  # type: ignore[type-arg]  # as authors write it
def silent(query): ...  # type: ignore[no-untyped-def]  # as authors write it
def hidden(query: Query[Hidden]) -> None: ...
def hidden_and_bare(query: Hidden) -> None: ...
def elsewhere(query: Query[Station], other: Hidden | None = None) -> None: ...
def answering(query: Query[Station]) -> Hidden: ...


@pytest.mark.parametrize(
    ("handler", "model"),
    [
        (typed, Forecast),
        (plain, None),
        (anything, None),
        (bare, None),
        (silent, None),
        (elsewhere, Station),
        (answering, Station),
        (print, None),
        (hidden_and_bare, None),
    ],
)
def test_the_annotation_of_a_handler_names_its_model(handler: Any, model: object) -> None:
    assert model_of(handler, Query) is model


def test_a_class_inside_a_function_can_be_named_where_the_handler_uses_it() -> None:
    @dataclass
    class Local:
        name: str

    def handler(query: Query[Local]) -> Local:
        return query.model or Local("")

    assert model_of(handler, Query) is Local


def test_an_annotation_that_cannot_be_understood_is_quoted_with_its_handler() -> None:
    with pytest.raises(PluginFault, match=r"annotation 'Query\[Hidden\]' of hidden .*'Hidden'"):
        model_of(hidden, Query)


def test_settings_are_found_by_their_own_generic() -> None:
    class Source:
        def __init__(self, settings: Settings[Station]) -> None: ...

    assert model_of(Source.__init__, Settings) is Station
    assert model_of(Source.__init__, Query) is None


class Annotated:
    settings: Settings[Station]
    other: Unknown  # what nobody asks for need not be understood


class Derived(Annotated):
    more: int


class Plain:
    settings: Settings[Any]


class Hiding:
    settings: Settings[Hidden]


@pytest.mark.parametrize(
    ("cls", "model"), [(Annotated, Station), (Derived, Station), (Plain, None), (int, None)]
)
def test_settings_are_found_in_the_body_of_a_class(cls: type, model: object) -> None:
    assert model_of_attribute(cls, "settings", Settings) is model


def test_an_attribute_that_cannot_be_understood_is_quoted_with_its_class() -> None:
    with pytest.raises(PluginFault, match=r"annotation 'Settings\[Hidden\]' of Hiding .*'Hidden'"):
        model_of_attribute(Hiding, "settings", Settings)


@pytest.mark.parametrize(
    ("model", "text", "value"),
    [
        (Station, '{"name": "EDDB", "height": 48, "unknown": [1]}', Station("EDDB", 48.0)),
        (Forecast, '{"stationName": "EDDB", "days": 3}', Forecast("EDDB", 3)),
        (Loose, "{}", {}),
        (Loose, "", {}),
        (None, "", {}),
        (None, "null", {}),
        (None, '{"big": 12345678901234567890123}', {"big": 12345678901234567890123}),
    ],
)
def test_json_becomes_the_authors_type(model: Any, text: str, value: object) -> None:
    assert decode(text, model, what="the model") == value


@pytest.mark.parametrize(
    ("model", "text", "complaint"),
    [
        (
            Forecast,
            '{"stationName": 3}',
            r"the model is not as .*Expected `str`, got `int` - at `\$.stationName`",
        ),
        (Station, "{}", "missing required field `name`"),
        (Station, "{", "the model is not as the plugin expects it"),
        (None, "{", "the model is no valid JSON"),
        (None, "[1]", "the model is no JSON object but list"),
        (Validating, '{"name": "bad"}', "name: must not be bad"),
    ],
)
def test_json_that_does_not_fit_is_an_error_naming_the_place(model: Any, text: str, complaint: str) -> None:
    with pytest.raises(UnreadableModel, match=complaint):
        decode(text, model, what="the model")


def test_a_model_that_validates_itself_is_let_to() -> None:
    assert decode('{"name": "good"}', Validating, what="the model").text == '{"name": "good"}'

from __future__ import annotations

from typing import Any

import pytest

from graftage.errors import PluginFault
from graftage.sdk.data_source import DataSource, query_type
from graftage.sdk.handlers import FunctionSource, handlers_of


class Both:
    @query_type("forecast", "history")
    def weather(self, query: Any) -> None: ...

    @query_type("tides")
    def sea(self, query: Any) -> None: ...

    def query(self, query: Any) -> None: ...


class OnlyTyped(DataSource):
    @query_type("forecast")
    async def weather(self, query: Any) -> None: ...

    @query_type("tides")
    async def sea(self, query: Any) -> None: ...


@pytest.mark.parametrize(
    ("query_type", "method"),
    [("forecast", "weather"), ("history", "weather"), ("tides", "sea"), ("", "query"), ("else", "query")],
)
def test_a_decorated_method_answers_its_types_and_the_query_method_all_others(
    query_type: str, method: str
) -> None:
    assert handlers_of(Both).method_for(query_type) == method


def test_an_unknown_type_without_a_fallback_names_the_known_ones() -> None:
    with pytest.raises(PluginFault, match=r"no handler for query type 'wind'.*knows 'forecast', 'tides'"):
        handlers_of(OnlyTyped).method_for("wind")


def test_the_empty_type_can_be_given_to_a_decorated_method() -> None:
    class Source:
        @query_type("")
        def anything(self, query: Any) -> None: ...

    assert handlers_of(Source).method_for("whatever") == "anything"


def test_a_subclass_may_override_a_handler_without_decorating_it_again() -> None:
    class Other(OnlyTyped):
        async def weather(self, query: Any) -> None: ...

        @query_type("tides")
        async def moon(self, query: Any) -> None: ...

    assert handlers_of(Other).method_for("forecast") == "weather"
    assert handlers_of(Other).method_for("tides") == "moon"


def test_an_object_and_a_function_serve_as_well_as_a_class() -> None:
    assert handlers_of(Both()).method_for("tides") == "sea"
    assert handlers_of(FunctionSource(lambda query: None)).method_for("x") == "query"


def test_a_class_without_handlers_is_told_what_to_add() -> None:
    with pytest.raises(PluginFault, match="Both2 answers no query; give it a method `async def query"):
        handlers_of(type("Both2", (), {}))


def test_two_methods_for_one_type_are_an_error_naming_both() -> None:
    class Twice:
        @query_type("a")
        def first(self, query: Any) -> None: ...

        @query_type("a")
        def second(self, query: Any) -> None: ...

    with pytest.raises(PluginFault, match="two handlers for query type 'a': first and second"):
        handlers_of(Twice)


@pytest.mark.parametrize("limit", [0, -1, "ten", None])
def test_a_concurrency_that_is_no_positive_number_is_an_error(limit: object) -> None:
    with pytest.raises(PluginFault, match="concurrent_queries"):
        handlers_of(type("Source", (Both,), {"concurrent_queries": limit}))


def test_the_concurrency_is_ten_or_what_the_class_says() -> None:
    assert handlers_of(Both).concurrency == 10
    assert handlers_of(type("Source", (Both,), {"concurrent_queries": 3})).concurrency == 3


def test_the_decorator_without_its_types_explains_itself() -> None:
    with pytest.raises(TypeError, match=r'@query_type\("forecast"\)'):
        query_type(lambda self, query: None)  # type: ignore[arg-type]  # the mistake under test

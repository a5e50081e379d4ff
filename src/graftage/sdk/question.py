"""A call with queries: what they have in common, and what each of them is."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeAlias

from graftage.backend.query import Chunk, QueryRequest
from graftage.backend.query import Query as AskedQuery
from graftage.errors import PluginFault
from graftage.sdk.call import Call
from graftage.sdk.headers import Headers
from graftage.sdk.instances import Instance
from graftage.sdk.model import decode, decode_object
from graftage.sdk.query import Query, TimeRange

MODEL = "the query's model"

Emit: TypeAlias = Callable[[Sequence[Chunk]], Coroutine[Any, Any, None]]


class Question:
    """emit: sends pieces of answers to the host."""

    def __init__(self, call: Call, request: QueryRequest, emit: Emit) -> None:
        self.call = call
        self.request = request
        self.emit = emit
        self.headers = Headers(request.headers)

    def query(self, asked: AskedQuery, query_type: str, instance: Instance, model_type: Any) -> Query[Any]:
        """One of the queries, as its handler is asked. model_type: of its model; None for a plain dict.

        Raises UnreadableModel when the model is not of that type.
        """
        span = asked.time_range or self.request.time_range
        query: Query[Any] = Query(  # calling the alias would try to write into a frozen object
            ref_id=asked.ref_id,
            model=decode(asked.json, model_type, what=MODEL),
            time_range=TimeRange(span.from_ms, span.to_ms, span.from_raw, span.to_raw),
            settings=instance.settings,
            query_type=query_type,
            interval=timedelta(milliseconds=asked.interval_ms),
            max_data_points=asked.max_data_points,
            headers=self.headers,
            context=self.call.context,
            _cancelled=self.call.cancelled,
        )
        return query


def query_type_of(asked: AskedQuery) -> str:
    """The query's type, empty when it has none. Version 1 tells it in the model only.

    Raises PluginFault for a model that is no JSON object, or that has something else for a type.
    """
    query_type = asked.query_type or decode_object(asked.json, what=MODEL).get("queryType")
    if query_type is not None and not isinstance(query_type, str):
        raise PluginFault(f"{MODEL} has the queryType {json.dumps(query_type)}; it must be a text")
    return query_type or ""

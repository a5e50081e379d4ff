"""The Simple JSON backend data source: shows what any HTTP server that speaks its small API has to say.

What goes out is what the published plugin sends, so backends written for that one work. What comes back is
read more carefully: table rows under `rows` as well as `values`, numbers with their decimals, null as a gap
and not as zero, all series of a query under that query, and an HTTP error under the query that met it.

Source: grafana/simple-json-backend-datasource, pkg/datasource.go and its README.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from graftage import DataSource, Field, FieldType, Frame, PluginError, Query, query, serve

TIMEOUT_SECONDS = 30.0
MOST_BYTES = 256 * 1024 * 1024  # a wrong url may lead to something endless
EXCERPT = 200  # characters of an error page that help; the rest is decoration

Answer = TypeVar("Answer")
Number = int | float


class Search(msgspec.Struct):
    """A query that wants the names of metrics."""

    target: str | None = None


class Found(msgspec.Struct):
    """A name, and the value it stands for."""

    text: str
    value: Any = None


class Column(msgspec.Struct):
    """A column of a table. type: `time`, `number`, `string`, or whatever the backend made up."""

    text: str = ""
    type: str = ""


class Target(msgspec.Struct):
    """One element of an answer: a table if it has columns, else a time series."""

    target: str | None = None
    datapoints: list[tuple[Number | None, Number]] | None = None
    columns: list[Column] | None = None
    rows: list[list[Any]] | None = None
    values: list[list[Any]] | None = None


class SimpleJson(DataSource):
    """One object per configured data source."""

    def __init__(self, settings: Any) -> None:
        self.remote = Remote(settings.url)

    @query("search")
    def search(self, query: Query[Search]) -> Frame:
        """The metrics whose names a person may choose from."""
        found = self.remote.ask("/search", {"target": query.model.target or ""}, list[str | Found])
        texts = [one.text if isinstance(one, Found) else one for one in found]
        if not any(isinstance(one, Found) for one in found):
            return _table([Column("text")], [[text] for text in texts])
        values = [one.value if isinstance(one, Found) else None for one in found]
        rows = [list(row) for row in zip(texts, values, strict=True)]
        return _table([Column("text"), Column("value")], rows)

    def query(self, query: Query[msgspec.Raw]) -> list[Frame]:
        """Series and tables. The query's model goes to the backend as it was stored, whatever it holds."""
        span = query.time_range
        question = {"range": {"from": str(span.from_ms), "to": str(span.to_ms)}, "targets": [query.model]}
        answers = self.remote.ask("/query", question, list[Target])
        return [_frame(answer) for answer in answers]


class Remote:
    """The HTTP server behind a data source. A name and password in its url become basic authentication."""

    def __init__(self, url: str) -> None:
        """Raises PluginError for a url that leads nowhere. (With other schemes, `urllib` reads files.)"""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PluginError("the data source needs a url that starts with http:// or https://")
        self.shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self.headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self.headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        # Proxies are for the world outside; the original's HTTP client, Go's, thinks so too.
        proxies = {} if _is_loopback(parts.hostname) else None
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))

    def ask(self, path: str, question: object, kind: type[Answer]) -> Answer:
        """POST a question and read the answer. Raises PluginError, which names status and url, no secret."""
        url = self.shown + path
        request = urllib.request.Request(url, msgspec.json.encode(question), self.headers, method="POST")
        try:
            with self.opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                body = response.read(MOST_BYTES + 1)
                status = f"{response.status} {response.reason}"
        except urllib.error.HTTPError as error:
            raise PluginError(f"{url} answered {error.code} {error.reason}{_excerpt(error)}") from error
        except TimeoutError as error:
            raise PluginError(f"{url} did not answer within {TIMEOUT_SECONDS:g} s") from error
        except urllib.error.URLError as error:
            raise PluginError(f"{url} cannot be reached: {error.reason}") from error
        except (http.client.HTTPException, OSError) as error:
            raise PluginError(f"{url} broke off its answer: {str(error) or type(error).__name__}") from error
        if len(body) > MOST_BYTES:
            raise PluginError(f"{url} answered more than {MOST_BYTES} bytes; ask for fewer points")
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise PluginError(f"{url} answered {status}, but not as expected: {error}") from error


def _frame(answer: Target) -> Frame:
    if answer.columns:
        return _table(answer.columns, answer.rows or answer.values or [])
    values, times = zip(*answer.datapoints, strict=True) if answer.datapoints else ((), ())
    # NumPy reads None as NaN, which is how a series says that there is no value.
    value = Field(answer.target or "value", FieldType.FLOAT64, np.array(values, np.float64))
    return Frame((Field("time", FieldType.TIME, _times(times)), value))


def _table(columns: list[Column], rows: list[list[Any]]) -> Frame:
    """Rows as columns; where one is too short, there is no value. meta: or a time would make it a series."""
    cells = [[row[index] if index < len(row) else None for row in rows] for index in range(len(columns))]
    fields = tuple(_field(column, values) for column, values in zip(columns, cells, strict=True))
    return Frame(fields, meta={"type": "table"})


def _field(column: Column, cells: list[Any]) -> Field:
    """A column of the type that its values have: what it is declared as is often not true."""
    valid = np.array([cell is not None for cell in cells], dtype=bool)
    kinds = {type(cell) for cell in cells if cell is not None}
    if column.type == "time" and kinds <= {int, float}:
        return Field(column.text, FieldType.TIME, _times(cell or 0 for cell in cells), valid)
    if kinds == {bool}:
        return Field(column.text, FieldType.BOOL, np.array([bool(cell) for cell in cells]), valid)
    if kinds == {int} and all(abs(cell or 0) < 2**63 for cell in cells):
        return Field(column.text, FieldType.INT64, np.array([cell or 0 for cell in cells], np.int64), valid)
    if kinds and kinds <= {int, float}:
        return Field(column.text, FieldType.FLOAT64, np.array(cells, np.float64), valid)
    texts = ["" if cell is None else cell if isinstance(cell, str) else _json(cell) for cell in cells]
    return Field(column.text, FieldType.STRING, np.array(texts, dtype=object), valid)


def _times(milliseconds: Iterable[Number]) -> NDArray[np.datetime64]:
    return np.array([int(ms) for ms in milliseconds], "datetime64[ms]").astype("datetime64[ns]")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _excerpt(error: urllib.error.HTTPError) -> str:
    """The beginning of an error page, which often says what is wrong."""
    try:
        text = error.read(4 * EXCERPT).decode(errors="replace")
    except (http.client.HTTPException, OSError):
        return ""
    line = " ".join(text.split())[:EXCERPT]
    return f": {line}" if line else ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    serve(SimpleJson)

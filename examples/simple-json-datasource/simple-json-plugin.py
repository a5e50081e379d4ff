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
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec
import numpy as np

from graftage import DataSource, PluginError, Query, Series, Table, query_type, serve

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

    @query_type("search")
    def search(self, query: Query[Search]) -> Table:
        """The metrics whose names a person may choose from."""
        found = self.remote.ask("/search", {"target": query.model.target or ""}, list[str | Found])
        texts = [one.text if isinstance(one, Found) else one for one in found]
        if not any(isinstance(one, Found) for one in found):
            return _table(["text"], [[text] for text in texts])
        values = [one.value if isinstance(one, Found) else None for one in found]
        return _table(["text", "value"], [list(row) for row in zip(texts, values, strict=True)])

    def query(self, query: Query[msgspec.Raw]) -> list[Series | Table]:
        """Series and tables. The query's model goes to the backend as it was stored, whatever it holds."""
        span = query.time_range
        question = {"range": {"from": str(span.from_ms), "to": str(span.to_ms)}, "targets": [query.model]}
        answers = self.remote.ask("/query", question, list[Target])
        return [_part(answer) for answer in answers]


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
        proxies: dict[str, str] | None = {} if _is_loopback(parts.hostname) else None
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


def _part(answer: Target) -> Series | Table:
    if answer.columns:
        return _table([column.text for column in answer.columns], answer.rows or answer.values or [])
    values, times = zip(*answer.datapoints, strict=True) if answer.datapoints else ((), ())
    # NumPy reads None as NaN, which is how a series says that there is no value.
    return Series(answer.target or "", np.array(times, np.int64), np.array(values, np.float64))


def _table(columns: list[str], rows: list[list[Any]]) -> Table:
    """Cells are of the type that their values have: what a column is declared as is often not true."""
    return Table.of(columns, [[_cell(cell) for cell in row] for row in rows])


def _cell(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value


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

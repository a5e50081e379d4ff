"""One HTTP request on a connection of its own, sent exactly as it is written."""

from __future__ import annotations

import http.client

from support.golden.cases import Request
from support.golden.observation import Answer

SECONDS = 60.0
# A request with one of these methods says how long its body is, also when it has none.
_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})


def send(address: str, request: Request) -> Answer:
    """The server's answer; status 0 when it closes the connection without one."""
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    try:
        content = None if request.body is None else request.body.encode("utf-8", "surrogatepass")
        connection.putrequest(request.method, request.path, skip_accept_encoding=True)
        for name, value in request.headers:
            connection.putheader(name, value)
        if content is not None or request.method in _WITH_LENGTH:
            connection.putheader("Content-Length", str(len(content or b"")))
        connection.endheaders(content)
        response = connection.getresponse()
        body = response.read()
    except (http.client.BadStatusLine, ConnectionError):
        return Answer(0)
    finally:
        connection.close()
    return Answer(response.status, response.getheader("Content-Type"), tuple(response.getheaders()), body)

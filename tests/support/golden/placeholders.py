"""What stood for addresses, paths and keys that differ from run to run, put back for this run.

Recorded texts hold names in double braces. A run knows the value of most from its start; keys become known
when the server hands them out; the time of writing is only known to lie within the run.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from support.golden.cases import Case, Request, Response

NOW_MS = "{{NOW_MS}}"
_NAME = re.compile(r"\{\{(\w+)\}\}")


class Placeholders:
    """Values by name: `UPSTREAM`, `UPPORT`, `SERVER`, `RUNDIR`, `HOME`, `SOCKET`, `KEY_...`."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def learn(self, name: str, value: str) -> None:
        """Remember a value that became known during the run, such as a key."""
        self._values[name] = value

    def fill(self, value: Any) -> Any:
        """The value with every known name replaced, in texts at any depth; unknown names stay."""
        if isinstance(value, str):
            return _NAME.sub(lambda found: self._values.get(found[1], found[0]), value)
        if isinstance(value, Mapping):
            return {self.fill(key): self.fill(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.fill(inner) for inner in value)
        return value

    def mask(self, text: str) -> str:
        """The text as a recording would show it: values of this run become names again."""
        for name, value in sorted(self._values.items(), key=lambda pair: -len(pair[1])):
            if value and name != "UPPORT":  # a port is a number like any other
                text = text.replace(value, f"{{{{{name}}}}}")
        return text

    def fill_case(self, case: Case) -> Case:
        """The case as this run sends it and expects it back."""
        return dataclasses.replace(
            case,
            request=None if case.request is None else self._request(case.request),
            response=None if case.response is None else self._response(case.response),
            plugin_request=self.fill(case.plugin_request),
            upstream_requests=self.fill(case.upstream_requests),
            upstream_reply=self.fill(case.upstream_reply),
            log=self.fill(case.log),
        )

    def _request(self, request: Request) -> Request:
        return Request(
            request.method, self.fill(request.path), self.fill(request.headers), self.fill(request.body)
        )

    def _response(self, response: Response) -> Response:
        return dataclasses.replace(
            response,
            headers=self.fill(response.headers),
            body_text=self.fill(response.body_text),
            parts=self.fill(response.parts),
        )

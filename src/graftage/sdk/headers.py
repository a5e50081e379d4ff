"""What came with a call beside its data: HTTP headers that the host passes on, and marks of its own.

Forwarded HTTP headers travel as `http_<Name>`; `Authorization`, `X-Id-Token` and `Cookie` also bare, in any
case. Other names, such as `FromAlert`, are no HTTP headers.

Source: grafana/grafana-plugin-sdk-go, backend/http_headers.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graftage.sdk.folded import FoldedMapping

PREFIX = "http_"
BARE = frozenset({"authorization", "x-id-token", "cookie"})


class Headers(FoldedMapping):
    """All that came along, by name in any case: `headers["Authorization"]`, `headers.get("X-Team")`,
    `headers["FromAlert"]`. The prefix of forwarded headers is off; what came bare as well counts."""

    __slots__ = ("_forwarded",)

    def __init__(self, sent: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = list(sent.items() if isinstance(sent, Mapping) else sent)
        prefixed = [(name[len(PREFIX) :], value) for name, value in pairs if name.startswith(PREFIX)]
        bare = [(name, value) for name, value in pairs if not name.startswith(PREFIX)]
        super().__init__([*prefixed, *bare])
        self._forwarded = FoldedMapping(
            [*prefixed, *((name, value) for name, value in bare if name.lower() in BARE)]
        )

    @property
    def http(self) -> Mapping[str, str]:
        """The HTTP headers among them: what may be sent on to another system, if the operator allows it."""
        return self._forwarded

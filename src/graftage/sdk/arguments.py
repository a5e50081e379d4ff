"""The arguments of handlers that have a path: its parameters by name, and what is asked as the one left."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Arguments:
    """Of a method. subject: the name of the argument that takes what is asked; None when it takes none."""

    subject: str | None

    @classmethod
    def of(cls, method: Callable[..., Any], names: Collection[str], path: str) -> Arguments:
        """names: of the parameters in `path`. Raises TypeError when the method does not take them."""
        where = getattr(method, "__qualname__", repr(method))
        _, *own = inspect.signature(method).parameters.values()  # the first is the object
        taken = {parameter.name for parameter in own if parameter.kind in _BY_NAME}
        if missing := sorted(set(names) - taken):
            raise TypeError(
                f"{where} has no argument {missing[0]!r}, which is a part of its path {path!r}; add it"
            )
        left = [p.name for p in own if p.name not in names and p.kind in _BY_NAME and p.default is p.empty]
        if len(left) > 1:
            raise TypeError(
                f"{where} takes {' and '.join(left)}, but its path {path!r} has neither; expected one "
                "argument beside those of the path: what is asked"
            )
        return cls(left[0] if left else None)

    def bound(
        self, handler: Callable[..., Any], parameters: Mapping[str, str], asked: object
    ) -> Callable[[], Any]:
        """The handler with its arguments, still to be called."""
        subject = {self.subject: asked} if self.subject else {}
        return partial(handler, **parameters, **subject)

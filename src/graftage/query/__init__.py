"""From a decoded request to the answer of every data source it names.

The package also answers to a call, as the decorator of the same name that authors import from `graftage`:
importing a submodule binds its name in the parent package, so once anything of this package is loaded,
`from graftage import query` yields this module. Plugins never load it; a test of a plugin may.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])


class _Package(ModuleType):
    def __call__(self, *query_types: str) -> Callable[[_F], _F]:
        from graftage.sdk.data_source import query

        return query(*query_types)


sys.modules[__name__].__class__ = _Package

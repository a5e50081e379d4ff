"""The beginning of a plugin's own process, when a test starts one."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import runpy
import sys
from types import ModuleType
from typing import Any


def serve_file(file: str) -> None:
    """Run a plugin's file as the program that it is."""
    sys.argv[:] = [file]
    sys.path.insert(0, os.path.dirname(file))
    runpy.run_path(file, run_name="__main__")


def serve_object(module_name: str, file: str, name: str) -> None:
    """Serve a class or a function of a module."""
    from graftage.sdk.serving import serve

    served: Any = _module(module_name, file)
    for attribute in name.split("."):
        served = getattr(served, attribute)
    if inspect.isclass(served):
        serve(served)
    else:
        serve(query=served)


def _module(name: str, file: str) -> ModuleType:
    """The module of this name if it is the one of the file; else, as test modules often are none that can be
    imported by name, what the file holds."""
    found = importlib.util.find_spec(name) if name != "__main__" and _has_parents(name) else None
    if found is not None and found.origin is not None and os.path.samefile(found.origin, file):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location("graftage_tested", file)
    assert spec is not None, f"{file} is no file of Python"
    assert spec.loader is not None, f"{file} cannot be loaded"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _has_parents(name: str) -> bool:
    try:
        importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return True

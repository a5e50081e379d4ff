"""The same data source as if its host knew version 1 of the protocol and no other."""

import os
import runpy
from pathlib import Path

os.environ["PLUGIN_PROTOCOL_VERSIONS"] = "1"
runpy.run_path(str(Path(__file__).parents[1] / "plugin" / "bench.py"))

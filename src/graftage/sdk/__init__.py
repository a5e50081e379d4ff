"""What a plugin's author works with: data sources, queries and answers, and `serve`.

Importing this package under a host takes descriptor 1 away, so that a `print` in any module imported later
cannot get between the host and the handshake line.
"""

from __future__ import annotations

from graftage.sdk import launcher, stdout

__all__ = ["launcher", "stdout"]  # both are loaded first of all: what they look at changes later

stdout.take_if_launched()

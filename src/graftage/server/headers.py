"""The headers that every answer carries.

Source: grafana 7.5, pkg/middleware/middleware.go `addNoCacheHeaders`, `addSecurityHeaders`,
`addXFrameOptionsDenyHeader`.
"""

from __future__ import annotations

from typing import Final

Headers = tuple[tuple[bytes, bytes], ...]

# In the form in which ASGI sends them, because they are added to every answer.
SECURITY: Final[Headers] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"deny"),
    (b"x-xss-protection", b"1; mode=block"),
)
NO_CACHE: Final[Headers] = (
    (b"cache-control", b"no-cache"),
    (b"expires", b"-1"),
    (b"pragma", b"no-cache"),
)
OWN: Final[Headers] = NO_CACHE + SECURITY

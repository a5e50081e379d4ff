"""What an author raises to say what went wrong, and whose fault it is. Loaded before the handshake."""

from __future__ import annotations

from typing import ClassVar

from graftage.errors import GraftageError

FIRST_STATUS, LAST_STATUS = 100, 599


class PluginError(GraftageError):
    """Raise it in a handler to answer with this text; it is logged without a traceback.

    status: by the codes of HTTP. None: that of the exception it was raised from (`raise PluginError(...) from
    error`) where that tells one, else 500.
    """

    source: ClassVar[str] = "plugin"

    def __init__(self, message: str = "", *, status: int | None = None) -> None:
        super().__init__(message)
        if status is not None:
            check_status(status)
        self.status = status


class DownstreamError(PluginError):
    """As PluginError, for what is not this plugin's fault: the remote system, the network, a wrong password.

    Grafana leaves such errors out when it judges how well a plugin works.
    """

    source: ClassVar[str] = "downstream"


def check_status(status: int) -> None:
    """Raises ValueError for what is no status of HTTP: Grafana would take it for 500."""
    if not FIRST_STATUS <= status <= LAST_STATUS:
        raise ValueError(
            f"status {status} is none of HTTP; expected a number from {FIRST_STATUS} to {LAST_STATUS}"
        )

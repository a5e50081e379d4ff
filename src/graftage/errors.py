"""The few exceptions that everything shares, split by who must act.

Every message is a finished sentence: what was expected, what arrived, what to do next. None holds a secret.
"""

from __future__ import annotations

# Of what another process has to say, which may be megabytes: in one line of the log, and in an answer.
LOGGED_CHARACTERS = 2000
ERROR_CHARACTERS = 64 * 1024


def shortened(text: str, most: int) -> str:
    """The text; of one that is longer than `most` characters its beginning, and how long it was."""
    return text if len(text) <= most else f"{text[:most]}… (cut here, of {len(text):,} characters)"


def for_log(error: Exception) -> str:
    """What an error says, at a length that a line of the log can have."""
    return shortened(str(error), LOGGED_CHARACTERS)


class GraftageError(Exception):
    """Base of every error that is meant to be read by a person.

    message_id: Grafana's name for it, by which clients of version 9 and later tell errors apart; mostly
    empty.
    """

    def __init__(self, message: str = "", *, message_id: str = "") -> None:
        super().__init__(message)
        self.message_id = message_id


class BadRequest(GraftageError):
    """The caller sent something that cannot be understood."""


class NotFound(GraftageError):
    """The caller named something that does not exist."""


class Conflict(GraftageError):
    """The caller asked for something that is already taken."""


class SettingsError(GraftageError):
    """The operator gave a setting, a file or a flag that cannot be used; the message names it."""


class PluginFault(GraftageError):
    """The plugin's author must act: its files, its handshake or its answers are wrong."""


class HandshakeError(PluginFault):
    """The first line a plugin printed is no usable handshake."""


class WireError(PluginFault):
    """Bytes from the other process are not the message they claim to be."""


class PluginUnavailable(GraftageError):
    """The plugin's process is not there: it died, is starting again, failed or was stopped."""


class PluginNotRunning(PluginUnavailable):
    """No process took the call: it is starting, failed or stopped, and did not come up in time."""


class PluginTimeout(GraftageError):
    """The plugin is there but did not answer within the time limit."""


class CallFailed(GraftageError):
    """The plugin answered the call as a whole with an error.

    status: the gRPC status by name, such as ``INVALID_ARGUMENT``. details: the plugin's own text.
    error_source: whose fault it is, `plugin` or `downstream`; empty when the plugin did not say.
    """

    def __init__(self, status: str, details: str, *, error_source: str = "") -> None:
        super().__init__(details or status)
        self.status = status
        self.details = details
        self.error_source = error_source


class NotImplementedByPlugin(GraftageError):
    """The plugin has no such capability.

    version: of the protocol that it speaks; version 1 has queries and nothing else.
    """

    def __init__(self, message: str, *, version: int) -> None:
        super().__init__(message)
        self.version = version

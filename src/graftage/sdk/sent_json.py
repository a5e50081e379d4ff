"""JSON that somebody in a browser sent through the host: what is wrong with it is no fault of the plugin."""

from __future__ import annotations

import json
from typing import Any

from graftage.sdk.errors import PluginError
from graftage.sdk.model import UnreadableModel, decode

BAD_REQUEST = 400


def read_sent_json(sent: bytes, model: Any, *, what: str) -> Any:
    """The value of the JSON, as a `model` if that is not None. Raises PluginError with status 400.

    what: how the message calls the text.
    """
    try:
        return json.loads(sent) if model is None else decode(sent.decode(), model, what=what)
    except UnreadableModel as error:
        raise PluginError(str(error), status=BAD_REQUEST) from error
    except ValueError as error:
        raise PluginError(f"{what} is no valid JSON: {error}", status=BAD_REQUEST) from error

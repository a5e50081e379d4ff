"""What the operator configured for a data source, as its plugin sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from graftage.backend.secrets import Secrets

Model = TypeVar("Model")


@dataclass(frozen=True, slots=True)
class Settings(Generic[Model]):
    """The settings of one configured data source.

    json: the decoded `jsonData`, `{}` when nothing is set; of the author's own type where `__init__`
    annotates its argument with one (`settings: Settings[Station]`). type: the plugin's id. secrets: the
    decrypted ones; they show in no `repr`. uid: empty where the host knows no uids.
    """

    id: int
    org_id: int
    name: str
    type: str
    json: Model
    url: str = ""
    secrets: Secrets = field(default_factory=Secrets)
    uid: str = ""

"""What the operator configured for a data source or an app, as its plugin sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from graftage.backend.context import AppSettings, DataSourceSettings, PluginContext
from graftage.backend.secrets import Secrets

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

    import httpx
    import requests

    from graftage.sdk.http_settings import HttpSettings

Model = TypeVar("Model")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Settings(Generic[Model]):
    """The settings of one configured data source, or of an app in one organisation.

    json: the decoded `jsonData`, `{}` when nothing is set; of the author's own type where the body of the
    class, or `__init__` for its argument, says `settings: Settings[Station]`. type: the plugin's id.
    secrets: the decrypted ones; they show in no `repr`. uid: empty where the host knows no uids, and for
    apps, which have neither id, name nor url. json_text: `jsonData` as it was sent. updated: when the
    settings were last changed; None where the host does not say.
    """

    id: int
    org_id: int
    name: str
    type: str
    json: Model
    url: str = ""
    secrets: Secrets = field(default_factory=Secrets)
    uid: str = ""
    user: str = ""
    database: str = ""
    basic_auth_enabled: bool = False
    basic_auth_user: str = ""
    updated: datetime | None = None
    api_version: str = ""
    json_text: str = field(default="", repr=False)

    @property
    def http(self) -> HttpSettings:
        """What the standard settings page of HTTP data sources says, for any HTTP library.

        Raises SettingsError naming the key that has a wrong type.
        """
        from graftage.sdk.http_settings import http_settings

        return http_settings(self)

    def http_client(self, *, forward: bool = False, **options: Any) -> httpx.AsyncClient:
        """A client of httpx that is set up as `http` says; it has to be closed.

        forward: send headers of the user's request on, even where the settings do not say so. options: the
        others of `graftage.sdk.http_client.client`.
        """
        from graftage.sdk.http_client import client

        return client(self, forward=forward, **options)

    def requests_client(self, *, forward: bool = False) -> requests.Session:
        """The same for requests, which has to be installed."""
        from graftage.sdk.http_requests import session

        return session(self, forward=forward)

    def opener(self, *, forward: bool = False) -> OpenerDirector:
        """The same for the standard library: `opener().open(url)`."""
        from graftage.sdk.http_opener import opener

        return opener(self, forward=forward)


def settings_of(asked: PluginContext, model: Any) -> Settings[Any]:
    """The settings of whatever is asked, as an author sees them.

    model: the type of `jsonData`; None for a plain dict. Raises UnreadableModel when it is not of that type.
    """
    if asked.data_source is None:
        return _settings_of_app(asked, asked.app or AppSettings(), model)
    return _settings_of_data_source(asked.data_source, model)


def _settings_of_data_source(source: DataSourceSettings, model: Any) -> Settings[Any]:
    from graftage.sdk.model import decode

    return Settings(
        id=source.id,
        org_id=source.org_id,
        name=source.name,
        type=source.type,
        json=decode(source.json, model, what=f"the jsonData of data source {source.name!r}"),
        url=source.url,
        secrets=source.secrets,
        uid=source.uid,
        user=source.user,
        database=source.database,
        basic_auth_enabled=source.basic_auth_enabled,
        basic_auth_user=source.basic_auth_user,
        updated=_moment(source.updated_ms),
        api_version=source.api_version,
        json_text=source.json,
    )


def _settings_of_app(asked: PluginContext, app: AppSettings, model: Any) -> Settings[Any]:
    from graftage.sdk.model import decode

    return Settings(
        id=0,
        org_id=asked.org_id,
        name="",
        type=asked.plugin_id,
        json=decode(app.json, model, what=f"the jsonData of app {asked.plugin_id!r}"),
        secrets=app.secrets,
        updated=_moment(app.updated_ms),
        api_version=app.api_version,
        json_text=app.json,
    )


def _moment(milliseconds: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds) if milliseconds else None
    except OverflowError:  # Go's zero time and other numbers that no calendar has
        return None

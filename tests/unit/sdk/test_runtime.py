"""What every service has of a call: the author's object, the context, records with fields, one way to end."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from graftage.backend.context import AppSettings, DataSourceSettings, PluginContext, User
from graftage.backend.secrets import Secrets
from graftage.sdk import log as logs
from graftage.sdk.context import current
from graftage.sdk.data_source import App
from graftage.sdk.errors import DownstreamError
from graftage.sdk.failure import CallBroken
from graftage.sdk.metrics import Metrics
from graftage.sdk.runtime import Runtime

APP = PluginContext(
    3, "acme-app", "1.0.0", User("ada"), app=AppSettings('{"city": "Köln"}', Secrets({"token": "hush-hush"}))
)


class Plugin(App):
    def query(self, query: Any) -> None: ...


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def runtime(metrics: Metrics) -> Runtime:
    return Runtime(Plugin, metrics=metrics, environment={"GF_PLUGIN_KEY": "value", "HOME": "/root"})


async def test_a_call_has_the_authors_object_its_settings_and_threads(runtime: Runtime) -> None:
    async with runtime.call("callResource", APP) as call, call.instance() as instance:
        assert isinstance(instance.source, Plugin)
        assert (instance.settings.json, instance.settings.org_id) == ({"city": "Köln"}, 3)
        assert await call.run(instance, lambda a, b: (a, b, current().org_id), 1, 2) == (1, 2, 3)
        assert current() is call.context
        assert call.context.plugin_config["key"] == "value"
    await runtime.close(timeout=1)


async def test_an_object_is_made_within_the_call_that_needs_it_first() -> None:
    seen: list[int] = []

    class Curious(Plugin):
        def __init__(self, settings: Any) -> None:
            seen.append(current().org_id)

    runtime = Runtime(Curious, metrics=Metrics(), environment={})
    async with runtime.call("checkHealth", APP) as call, call.instance():
        pass
    await runtime.close(timeout=1)

    assert seen == [3]


async def test_tenants_have_objects_of_their_own(runtime: Runtime) -> None:
    sources = []
    for tenant in ("a", "b", "a"):
        async with (
            runtime.call("callResource", APP, [("tenantid", tenant)]) as call,
            call.instance() as instance,
        ):
            assert call.context.tenant == tenant
            sources.append(instance.source)
    await runtime.close(timeout=1)

    assert sources[0] is sources[2]
    assert sources[0] is not sources[1]


@pytest.mark.parametrize(
    ("error", "text", "blame"),
    [
        (ValueError("token hush-hush is wrong"), "token *** is wrong", (500, "plugin")),
        (DownstreamError("closed", status=503), "closed", (503, "downstream")),
        (SystemExit("bye"), "SystemExit: bye", (500, "plugin")),
        (asyncio.CancelledError(), "cancelled inside the plugin", (499, "downstream")),
    ],
)
async def test_a_call_that_breaks_is_counted_logged_and_told_without_secrets(
    runtime: Runtime,
    metrics: Metrics,
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
    text: str,
    blame: tuple[int, str],
) -> None:
    with pytest.raises(CallBroken) as broken:
        async with runtime.call("callResource", APP):
            raise error

    assert (broken.value.failure.text, broken.value.failure.blame) == (text, blame)
    assert "the call failed" in caplog.text
    labels = f'endpoint="callResource",status="error",status_source="{blame[1]}"'
    assert f"grafana_plugin_request_total{{{labels}}} 1" in metrics.text()


async def test_a_cancelled_call_stays_cancelled_and_says_so_to_its_threads(
    runtime: Runtime, metrics: Metrics
) -> None:
    begun, calls = asyncio.Event(), []

    async def wait() -> None:
        async with runtime.call("callResource", APP) as call:
            calls.append(call)
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert calls[0].cancelled.is_set()
    assert 'status="cancelled",status_source="downstream"} 1' in metrics.text()


async def test_beginning_and_end_of_a_call_are_debug_records(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async with runtime.call("callResource", APP):
        pass

    begun, ended = caplog.records
    assert (begun.getMessage(), begun.levelname) == ("request started", "DEBUG")
    assert (ended.getMessage(), ended.levelname) == ("request ended", "DEBUG")
    assert (vars(ended)["status"], vars(ended)["statusSource"]) == ("ok", "plugin")
    assert vars(ended)["duration"].endswith("ms")


async def test_records_of_a_call_have_its_fields_and_no_empty_ones(runtime: Runtime) -> None:
    fields = logs._FIELDS
    source = DataSourceSettings(1, 1, "weather", "acme", uid="u")
    metadata = [("loggerparamsctxmetadata", "panel:::2"), ("loggerparamsctxmetadata", "odd")]

    async with runtime.call("callResource", APP):
        of_app = dict(fields.get())
    async with runtime.call("queryData", PluginContext(1, "acme", data_source=source), metadata):
        of_source = dict(fields.get())

    assert of_app == {
        "pluginId": "acme-app",
        "pluginVersion": "1.0.0",
        "endpoint": "callResource",
        "uname": "ada",
    }
    assert of_source == {
        "pluginId": "acme",
        "endpoint": "queryData",
        "dsName": "weather",
        "dsUid": "u",
        "panel": "2",
    }

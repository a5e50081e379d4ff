from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from graftage.backend.context import AppSettings, DataSourceSettings, PluginContext, context_of
from graftage.backend.secrets import Secrets
from graftage.sdk.instances import Instances, Made
from graftage.sdk.settings import settings_of
from support.wait import eventually_async

HOUR = 3600.0


class Workshop:
    """Makes numbered objects and remembers which were closed."""

    def __init__(self, before: Callable[[], Awaitable[None]] | None = None) -> None:
        self.made = 0
        self.closed: list[int] = []
        self.fail = False
        self._before = before

    async def make(self, context: PluginContext) -> Made:
        self.made += 1
        number = self.made
        if self._before is not None:
            await self._before()
        if self.fail:
            raise RuntimeError("no connection")
        return Made(number, settings_of(context, None))

    async def end(self, made: Made) -> None:
        self.closed.append(made.source)


def settings(**changed: Any) -> PluginContext:
    usual = {"id": 1, "org_id": 1, "name": "weather", "type": "acme", "url": "http://a"}
    return context_of(DataSourceSettings(**(usual | changed)))


async def number(instances: Instances, asked: PluginContext, *, tenant: str = "") -> int:
    async with instances.use(asked, tenant=tenant) as instance:
        return int(instance.source)


@pytest.mark.parametrize(
    ("changed", "another"),
    [
        ({}, False),
        ({"name": "renamed"}, False),
        ({"url": "http://b"}, True),
        ({"json": '{"a":1}'}, True),
        ({"secrets": Secrets({"token": "x"})}, True),
        ({"id": 2}, True),
        ({"org_id": 2}, True),
        ({"id": 1, "uid": "u"}, True),
        ({"id": 0, "uid": "u"}, True),
        ({"updated_ms": 1}, True),
        ({"user": "me"}, True),
    ],
)
async def test_an_object_belongs_to_its_data_source_and_settings(
    changed: dict[str, Any], another: bool
) -> None:
    workshop = Workshop()
    instances = Instances(workshop.make, workshop.end)

    first = await number(instances, settings())
    second = await number(instances, settings(**changed))

    assert (first != second) is another
    await instances.close(timeout=1)


def app(**changed: Any) -> PluginContext:
    usual: dict[str, Any] = {"org_id": 1, "plugin_id": "acme-app", "app": AppSettings("{}", updated_ms=1)}
    return PluginContext(**(usual | changed))


@pytest.mark.parametrize(
    ("changed", "another"),
    [
        ({}, False),
        ({"user_agent": "Grafana/13.0.0 (linux; amd64)"}, False),
        ({"app": AppSettings("{}", updated_ms=2)}, True),
        ({"app": None}, True),
        ({"org_id": 2}, True),
        ({"grafana_config": {"GF_APP_URL": "http://new"}}, True),
    ],
)
async def test_an_app_has_an_object_for_each_organisation_and_its_settings(
    changed: dict[str, Any], another: bool
) -> None:
    workshop = Workshop()
    instances = Instances(workshop.make, workshop.end)

    first = await number(instances, app())

    assert (await number(instances, app(**changed)) != first) is another
    await instances.close(timeout=1)


async def test_what_grafana_says_of_itself_belongs_to_the_settings() -> None:
    workshop = Workshop()
    instances = Instances(workshop.make, workshop.end)
    told = replace(settings(), grafana_config={"GF_APP_URL": "http://new"})

    assert [await number(instances, asked) for asked in (settings(), told, told)] == [1, 2, 2]
    await eventually_async(lambda: workshop.closed == [1], what="the old object closed")
    await instances.close(timeout=1)


async def test_each_tenant_has_objects_of_its_own() -> None:
    workshop = Workshop()
    instances = Instances(workshop.make, workshop.end)

    numbers = [await number(instances, settings(), tenant=tenant) for tenant in ("a", "b", "a")]

    assert numbers == [1, 2, 1]
    assert instances.count == 2
    await instances.close(timeout=1)


async def test_a_thousand_data_sources_have_an_object_each_until_nobody_asks_them() -> None:
    workshop = Workshop()
    instances = Instances(workshop.make, workshop.end)

    numbers = [await number(instances, settings(id=0, uid=f"u{n}")) for n in range(1_000)]
    again = [await number(instances, settings(id=0, uid=f"u{n}")) for n in range(1_000)]
    assert (again, instances.count) == (numbers, 1_000)

    instances.sweep(asyncio.get_running_loop().time() + HOUR + 1)
    await eventually_async(lambda: len(workshop.closed) == 1_000, what="all of them closed")
    assert instances.count == 0
    await instances.close(timeout=1)


async def test_calls_that_come_together_share_one_object() -> None:
    workshop = Workshop(before=lambda: asyncio.sleep(0))
    instances = Instances(workshop.make, workshop.end)

    numbers = await asyncio.gather(*(number(instances, settings()) for _ in range(5)))

    assert set(numbers) == {1}
    await instances.close(timeout=1)


async def test_a_replaced_object_is_closed_when_its_last_call_has_ended() -> None:
    workshop = Workshop()
    instances = Instances(workshop.make, workshop.end)

    async with instances.use(settings()):
        async with instances.use(settings()):
            assert await number(instances, settings(url="http://b")) == 2
        await asyncio.sleep(0)
        assert workshop.closed == []

    await eventually_async(lambda: workshop.closed == [1], what="the old object closed")
    assert await number(instances, settings(url="http://b")) == 2
    await instances.close(timeout=1)


async def test_a_replaced_object_is_closed_after_a_while_even_under_a_call() -> None:
    workshop = Workshop()
    instances = Instances(workshop.make, workshop.end, linger=0.01)

    async with instances.use(settings()):
        await number(instances, settings(url="http://b"))
        await eventually_async(lambda: workshop.closed == [1], what="the old object closed")

    await asyncio.sleep(0)
    assert workshop.closed == [1], "not closed twice"
    await instances.close(timeout=1)


async def test_a_replaced_object_that_is_still_being_made_is_closed_once_it_is_there() -> None:
    gate = asyncio.Event()
    workshop = Workshop(before=gate.wait)  # type: ignore[arg-type]  # its answer does not matter
    instances = Instances(workshop.make, workshop.end)
    first = asyncio.create_task(number(instances, settings()))
    await eventually_async(lambda: workshop.made == 1, what="the first being made")
    second = asyncio.create_task(number(instances, settings(url="http://b")))
    await eventually_async(lambda: workshop.made == 2, what="the second being made")

    gate.set()

    assert (await first, await second) == (1, 2)
    await eventually_async(lambda: workshop.closed == [1], what="the old object closed")
    await instances.close(timeout=1)


async def test_a_failure_keeps_no_object_and_the_next_call_tries_again() -> None:
    workshop = Workshop()
    instances = Instances(workshop.make, workshop.end)
    workshop.fail = True
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no connection"):
            await number(instances, settings())
    workshop.fail = False

    assert await number(instances, settings()) == 3
    await instances.close(timeout=1)
    assert workshop.closed == [3]


async def test_a_failure_after_a_change_of_settings_leaves_no_old_object_in_use() -> None:
    workshop = Workshop()
    instances = Instances(workshop.make, workshop.end)
    await number(instances, settings())
    workshop.fail = True

    with pytest.raises(RuntimeError):
        await number(instances, settings(url="http://b"))

    await eventually_async(lambda: workshop.closed == [1], what="the old object closed")
    await instances.close(timeout=1)


async def test_a_cancelled_first_call_does_not_cancel_the_making_for_others() -> None:
    gate = asyncio.Event()
    workshop = Workshop(before=gate.wait)  # type: ignore[arg-type]  # its answer does not matter
    instances = Instances(workshop.make, workshop.end)
    first = asyncio.create_task(number(instances, settings()))
    second = asyncio.create_task(number(instances, settings()))
    await eventually_async(lambda: workshop.made == 1, what="the object being made")

    first.cancel()
    await asyncio.wait([first])
    gate.set()

    assert await second == 1
    await instances.close(timeout=1)


async def test_an_object_unused_for_an_hour_is_closed_and_made_anew_when_asked() -> None:
    workshop = Workshop()
    instances = Instances(workshop.make, workshop.end)
    await number(instances, settings())
    now = asyncio.get_running_loop().time()

    instances.sweep(now + HOUR - 1)
    await asyncio.sleep(0)
    assert workshop.closed == []

    instances.sweep(now + HOUR + 1)
    await eventually_async(lambda: workshop.closed == [1], what="the unused object closed")

    assert await number(instances, settings()) == 2
    await instances.close(timeout=1)


async def test_an_object_in_use_is_not_swept_however_long_it_takes() -> None:
    workshop = Workshop()
    instances = Instances(workshop.make, workshop.end)

    async with instances.use(settings()):
        instances.sweep(asyncio.get_running_loop().time() + 2 * HOUR)
        await asyncio.sleep(0)
        assert workshop.closed == []

    await instances.close(timeout=1)


async def test_a_machine_that_has_been_up_for_days_closes_nothing_too_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    clock = loop.time
    monkeypatch.setattr(loop, "time", lambda: clock() + 1_000 * HOUR)
    workshop = Workshop()
    instances = Instances(workshop.make, workshop.end)

    assert [await number(instances, settings()) for _ in range(3)] == [1, 1, 1]
    assert workshop.closed == []
    await instances.close(timeout=1)


async def test_sweeping_goes_on_by_itself() -> None:
    workshop = Workshop()
    instances = Instances(workshop.make, workshop.end, unused=0.05)

    await number(instances, settings())

    await eventually_async(lambda: workshop.closed == [1], what="the unused object closed")
    await instances.close(timeout=1)


async def test_closing_closes_everything_and_does_not_wait_for_ever() -> None:
    workshop = Workshop()
    stuck = asyncio.Event()

    async def end(made: Made) -> None:
        workshop.closed.append(made.source)
        if made.source == 1:
            await stuck.wait()

    instances = Instances(workshop.make, end)
    for org in range(20):
        await number(instances, settings(org_id=org))

    await asyncio.wait_for(instances.close(timeout=0.05), 5)

    assert sorted(workshop.closed) == list(range(1, 21))

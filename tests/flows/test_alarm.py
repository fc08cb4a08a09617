"""Alerts of a running campaign reach Prefect and the live view; the automation that notifies is made once."""

from __future__ import annotations

import asyncio
import http.server
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.events.actions import SendNotification
from rich.console import Console

from cognition.archive import Archive
from cognition.records import Score
from flows import alarm, notifications, progress
from flows.alarm import Alarm
from flows.alerts import Alert
from flows.config import ConfigError, Settings
from flows.live import LiveView
from tests.flows.report.scenes import NAME, archive_in, play

SETTINGS = Settings.model_validate({"name": NAME, "problem": "circle_packing", "alerts": {"stagnation_rounds": 2}})


class _Listener(progress.Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def alerted(self, alert: Alert) -> None:
        self.heard.append(alert.kind)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    events: list[tuple[Any, ...]] = []
    monkeypatch.setattr(alarm, "emit_event", lambda *given, **more: events.append((*given, more["payload"])))
    return events


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> _Listener:
    listening = _Listener()
    monkeypatch.setattr(progress, "watcher", listening)
    return listening


def _rounds(archive: Archive, settings: Settings, *fitnesses: float) -> None:
    alarm_of_campaign = Alarm(archive, settings)
    for index, fitness in enumerate(fitnesses, start=10):
        alarm_of_campaign.round_ended(index, Score(fitness), ())


def test_an_alert_is_sent_once_with_its_campaign(
    tmp_path: Path, sent: list[tuple[Any, ...]], listener: _Listener
) -> None:
    with archive_in(tmp_path) as archive:
        _rounds(archive, SETTINGS, 1.0, 1.0, 1.0, 1.0)
    ((event, resource, payload),) = sent
    assert event == "nightshift.alert.stagnation"
    assert resource["prefect.resource.id"] == f"nightshift.campaign.{NAME}"
    assert (payload["round"], payload["sentence"]) == (12, "no new best for 2 rounds")
    assert listener.heard == ["stagnation"]


def test_a_resumed_campaign_knows_what_was_raised_before(
    tmp_path: Path, sent: list[tuple[Any, ...]], listener: _Listener
) -> None:
    with archive_in(tmp_path) as archive:
        for index in range(4):
            play(archive, index, 1.0)
        _rounds(archive, SETTINGS, 1.0)
        assert sent == []
        _rounds(archive, SETTINGS, 2.0, 1.0, 1.0)
    assert len(sent) == 1


def test_alerts_can_be_switched_off(tmp_path: Path, sent: list[tuple[Any, ...]], listener: _Listener) -> None:
    off = SETTINGS.model_copy(update={"alerts": SETTINGS.alerts.model_copy(update={"enabled": False})})
    with archive_in(tmp_path) as archive:
        _rounds(archive, off, 1.0, 1.0, 1.0)
    assert (sent, listener.heard) == ([], [])


def test_a_prefect_that_does_not_take_the_event_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: _Listener
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(alarm, "emit_event", refuse)
    with archive_in(tmp_path) as archive:
        _rounds(archive, SETTINGS, 1.0, 1.0, 1.0)
    assert listener.heard == ["stagnation"]


def test_the_live_view_shows_it() -> None:
    shown = io.StringIO()
    LiveView(Console(file=shown, width=80), "score").alerted(Alert("budget", "80% [bold]used", 0.8, 0.8))
    assert "alert  80% [bold]used" in shown.getvalue()


async def test_the_automation_is_made_once_and_only_with_a_block(prefect_home: Path) -> None:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    block = CustomWebhookNotificationBlock(name="hook", url="http://127.0.0.1:9/x")
    await block.asave("night", overwrite=True)
    async with get_client() as client:
        assert await notifications.ensure(client, None) is None
        assert await client.read_automations_by_name(notifications.NAME) == []
        first = await notifications.ensure(client, "custom-webhook/night")
        assert await notifications.ensure(client, "custom-webhook/night") == first
        (made,) = await client.read_automations_by_name(notifications.NAME)
        (action,) = made.actions
        assert isinstance(action, SendNotification)
        assert made.trigger.expect == {"nightshift.alert.*"}  # type: ignore[union-attr]  # an event trigger
        with pytest.raises(ConfigError, match="no block custom-webhook/gone"):
            await notifications.ensure(client, "custom-webhook/gone")
        with pytest.raises(ConfigError, match="TYPE/NAME"):
            await notifications.ensure(client, "night")


@contextmanager
def _listening() -> Iterator[tuple[str, list[str]]]:
    """A web server that keeps what is posted to it."""
    posted: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing to the terminal."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", posted
        server.shutdown()


async def test_an_alert_arrives_at_the_webhook(prefect_home: Path, tmp_path: Path, listener: _Listener) -> None:
    """From the round that ended to somebody's chat: event, automation, block, HTTP."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    with _listening() as (url, posted), archive_in(tmp_path) as archive:
        block = CustomWebhookNotificationBlock(name="heard", url=url, json_data={"said": "{{subject}}: {{body}}"})
        await block.asave("heard", overwrite=True)
        async with get_client() as client:
            made = await notifications.ensure(client, "custom-webhook/heard")
            await asyncio.sleep(2)  # the server's triggers learn of a new automation a moment later
            await asyncio.to_thread(_rounds, archive, SETTINGS, 1.0, 1.0, 1.0)
            for _ in range(120):
                if posted:
                    break
                await asyncio.sleep(0.25)
            assert made is not None
            await client.delete_automation(made)
    assert [json.loads(each)["said"] for each in posted] == [f"Nightshift: {NAME}: no new best for 2 rounds (round 12)"]

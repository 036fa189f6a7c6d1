"""``meetsense start``, ``stop``, ``pause``, ``resume``, ``status`` and ``forget``: the daemon's commands."""

from __future__ import annotations

import json as json_text
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from meetsense.cli.common import Command, counted, database_options, settings_of
from meetsense.errors import ControlError, StoreError
from meetsense.values import RecordingState

SECONDS = {"status": 5.0, "start": 25.0, "stop": 60.0, "forget": 90.0}
"""How long the recorder may take; other commands as long as a start."""
WATCH_SECONDS = 1.0
WHY = {
    "stopped": "it was stopped",
    "silence": "nobody spoke any more",
    "longest": "it reached the longest time",
    "event": "the calendar's event was over",
    "shutdown": "the recorder was shut down",
    "indicator": "nothing showed any more that it records",
    "consent": "a consent was withdrawn, and its sound was removed",
    "basis": "what allowed it is not there any more",
    "lost": "the microphone was lost",
    "crash": "the recorder was killed",
}
"""Why a recording ended, for people."""
MOST_HOURS = 24
"""That the recorder forgets."""
UNITS = (3600.0, 60.0, 1.0)
DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?\Z", re.ASCII)


class Duration(click.ParamType[float]):
    """Hours, minutes and seconds, such as 5m or 1h30m; a bare number is seconds."""

    name = "duration"

    def __init__(self, most_hours: int) -> None:
        """``most_hours``: the longest that makes sense."""
        self._most_hours = most_hours

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        found = DURATION.match(str(value))
        parts = found.groups() if found else ()
        seconds = sum(float(part or 0) * unit for part, unit in zip(parts, UNITS, strict=False))
        if not any(parts):
            self.fail(f"{value!r} is not a duration such as 5m, 90s or 1h30m", param, ctx)
        if seconds <= 0:
            self.fail(f"{value!r} is no time at all; name one such as 90s or 5m", param, ctx)
        if seconds > self._most_hours * UNITS[0]:
            self.fail(f"{value!r} is more than {self._most_hours}h, the most that can be named", param, ctx)
        return seconds


def _ask(config: Path | None, command: str, **fields: Any) -> dict[str, Any]:
    from meetsense.daemon.control import call

    _need_the_rooms_settings(config)
    path = settings_of(config).capture.socket
    return call(path, {"command": command, **fields}, SECONDS.get(command, SECONDS["start"]))


def _need_the_rooms_settings(config: Path | None) -> None:
    """Raise ControlError where the services' settings are there and are not for whoever asks.

    Without them another socket would be asked, and "no recorder runs" be said of a room that is recorded.
    """
    from meetsense.config import SYSTEM_CONFIG, default_file

    if config is None and default_file() is None and SYSTEM_CONFIG.exists():
        raise ControlError(
            f"{SYSTEM_CONFIG} is not for you to read; ask as the services' user, with: sudo -u meetsense"
        )


def clock(seconds: float) -> str:
    """Hours, minutes, seconds.

    >>> clock(3725.9)
    '1:02:05'
    """
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"


def meeting_options(command: Command) -> Command:
    """``--with`` and ``--title``."""
    for option in (
        click.option("--title", help="What the meeting is called; default: its date and time."),
        click.option(
            "--with",
            "present",
            multiple=True,
            metavar="NAME",
            help="Somebody present; once for each of them.",
        ),
    ):
        command = option(command)
    return command


@click.command()
@meeting_options
@database_options
def start(present: tuple[str, ...], title: str | None, db: Path | None, config: Path | None) -> None:
    """Let the recorder begin, if everybody present has agreed or the room has a policy.

    Who agrees to be recorded says so once: meetsense consent grant NAME recording --basis TEXT.
    """
    fields = {"with": list(present)} | ({"title": title} if title is not None else {})
    told = _ask(config, "start", **fields)
    click.echo(f"recording {told['recording']}", err=True)


@click.command()
@database_options
def stop(db: Path | None, config: Path | None) -> None:
    """End the recording; it waits to be analysed then."""
    last = _ask(config, "stop").get("last", {})
    click.echo(f"ended {last.get('recording')}, {clock(last.get('seconds', 0.0))}", err=True)


@click.command()
@database_options
def pause(db: Path | None, config: Path | None) -> None:
    """Keep nothing from now on, until meetsense resume."""
    told = _ask(config, "pause")
    click.echo(f"paused at {clock(told['seconds'])}", err=True)


@click.command()
@database_options
def resume(db: Path | None, config: Path | None) -> None:
    """Go on after a pause."""
    told = _ask(config, "resume")
    click.echo(f"recording {told['recording']}", err=True)


@click.command()
@click.option("--last", "seconds", type=Duration(MOST_HOURS), required=True, help="How much, such as 5m.")
@database_options
def forget(seconds: float, db: Path | None, config: Path | None) -> None:
    """Remove what was recorded in the last minutes, of a meeting that has just ended, too.

    The recording keeps a gap of that length. An encrypted recording is forgotten by whole segments.
    """
    told = _ask(config, "forget", seconds=seconds)
    none = "" if told["forgotten_seconds"] else "; there was none in that time, name a longer one"
    click.echo(f"forgotten: {clock(told['forgotten_seconds'])} of sound{none}", err=True)


@click.command()
@click.option("--json", is_flag=True, help="Print JSON.")
@click.option("--watch", is_flag=True, help="Look again each second, until Ctrl-C.")
@database_options
def status(json: bool, watch: bool, db: Path | None, config: Path | None) -> None:
    """What the recorder does."""
    if json and watch:
        raise click.UsageError("--watch does not go with --json")
    if watch:
        _watch(config)
        return
    told = _status(config)
    if json:
        click.echo(json_text.dumps(told, ensure_ascii=False, indent=1))
        return
    click.echo(lines(told))
    for line in _owed(db, config):
        click.echo(line)


def _status(config: Path | None) -> dict[str, Any]:
    """The recorder's. Raises ControlError, which says what a recorder that was killed was doing."""
    from meetsense.daemon.control import Absent

    try:
        return _ask(config, "status")
    except Absent as error:
        raise ControlError(f"{error}{_left(config)}") from None


def _left(config: Path | None) -> str:
    """What the status file says of a recorder that is no more; nothing where there is no such file."""
    from meetsense.daemon.indicator import UNKNOWN, read_status, status_path

    shown = read_status(status_path(settings_of(config).capture), datetime.now(UTC))
    if shown is None or shown["state"] != UNKNOWN or shown["before"] == "idle":
        return ""
    at = datetime.fromisoformat(shown["at"]).astimezone()
    return f"; the last one ended without a word at {at:%Y-%m-%d %H:%M:%S}, while {shown['before']}"


def _watch(config: Path | None) -> None:
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False) as live:
        try:
            while True:
                live.update(Text(_seen(config)), refresh=True)
                time.sleep(WATCH_SECONDS)
        except KeyboardInterrupt:
            return


def _seen(config: Path | None) -> str:
    """The status now; a recorder that isn't there may be there again in a second, and record."""
    try:
        return lines(_status(config))
    except ControlError as error:
        return f"not known: {error}"


def _owed(db: Path | None, config: Path | None) -> Iterator[str]:
    """What waits to be analysed, and what failed. A database that can't be read has no say here."""
    from meetsense.cli.meetings import owed_line
    from meetsense.store import Store

    try:
        with Store(db or settings_of(config).database, create=False) as store:
            recordings = store.recordings()
    except StoreError:
        return
    states = [recording.state for recording in recordings]
    if waiting := states.count(RecordingState.QUEUED) + states.count(RecordingState.PROCESSING):
        yield f"{counted(waiting, 'recording')} to be analysed"
    for recording in recordings:
        if recording.state is RecordingState.FAILED:
            yield owed_line(recording)


def lines(told: Mapping[str, Any]) -> str:
    """A status for people."""
    from meetsense.report.escape import clean

    first = [str(told["state"])]
    if "seconds" in told:
        first.append(clock(told["seconds"]))
    if "level" in told and told["state"] == "recording":
        level = told["level"]
        first.append(f"{level['rms']:.0f} dBFS, peak {level['peak']:.0f}")
    if "synced_seconds" in told:
        first.append(f"on the disk: {clock(told['synced_seconds'])}")
    found = ["  ".join(first)]
    if "recording" in told:
        basis = f"{told.get('basis')}, {told.get('people', 0)} present"
        found.append(f"  {told['recording']}  {clean(str(told.get('title', '')))}  ({basis})")
    if missing := told.get("missing_seconds"):
        found.append("  without sound: " + ", ".join(f"{kind} {clock(s)}" for kind, s in missing.items()))
    found += [f"  alarm: {clean(str(alarm))}" for alarm in told.get("alarms", ())]
    if "recording" not in told and (last := told.get("last")):
        why = WHY.get(last["why"], last["why"])
        found.append(f"  last: {last['recording']}  {clock(last['seconds'])}  ended: {why}")
    return "\n".join(found)

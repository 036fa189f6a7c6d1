"""``meetsense people`` and ``meetsense consent``: who is known, by what voice, and what they agreed to."""

from __future__ import annotations

import hashlib
import json as json_text
import shlex
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meetsense.cli.common import counted, database_options, settings_of
from meetsense.errors import MeetsenseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from meetsense.config import Settings
    from meetsense.review import Ears
    from meetsense.store import Statement, Store
    from meetsense.values import Turn

PURPOSES = ("recording", "transcription", "named", "voiceprint", "weekly_mail", "cli_review")


def _settings(config: Path | None) -> Settings:
    """Settings by ``--config`` of a command, or of the group before it."""
    return settings_of(config or _of_group("config"))


def _of_group(option: str) -> Path | None:
    parent = click.get_current_context().parent
    given: Path | None = parent.params.get(option) if parent else None
    return given


def _open(db: Path | None, config: Path | None, *, create: bool = False) -> Store:
    from meetsense.store import Store

    return Store(db or _of_group("db") or _settings(config).database, create=create)


def _print_json(value: object) -> None:
    click.echo(json_text.dumps(value, ensure_ascii=False, indent=1, default=str))


def _row(value: Any) -> dict[str, Any]:
    """A frozen value as a row for JSON; dates as ISO text."""
    return {key: _plain(item) for key, item in asdict(value).items()}


def _plain(item: object) -> object:
    return item.isoformat() if hasattr(item, "isoformat") else item


def _day(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d")


def _split(text: str) -> tuple[str, str]:
    """MEETING:SPEAKER. Raises MeetsenseError."""
    meeting, colon, label = text.partition(":")
    if not (meeting and colon and label):
        raise MeetsenseError(
            f"{text}: neither a file nor MEETING:SPEAKER, such as 0123456789ab:S1; see: meetsense meetings"
        )
    return meeting, label


def _ears(settings: Settings) -> Callable[[], Ears]:
    from meetsense import review

    return partial(review.open_ears, settings.models, settings.pyannote_mode, settings.threads)


@click.group()
@database_options
def people(db: Path | None, config: Path | None) -> None:
    """Who is known and whose voice is enrolled; add, enrol, correct, delete.

    A voiceprint is kept of nobody who has not agreed to it: see meetsense consent.
    """


@people.command()
@click.argument("name")
@click.option("--role", help="Their formal role, such as chair.")
@database_options
def add(name: str, role: str | None, db: Path | None, config: Path | None) -> None:
    """Make NAME known, so that they can be said to be present and be asked what they agree to.

    Nobody agrees to anything by it: see meetsense consent grant.
    """
    from meetsense.report.escape import clean

    known, given = _plain_text(name, "NAME"), None if role is None else _plain_text(role, "--role")
    with _open(db, config, create=True) as store:
        added = store.add_person(known, given)
        stands = store.roles([known]).get(known)
    told = f", {clean(stands)}" if stands else ""
    click.echo(f"{clean(known)}{told} is known{'' if added else ', as before'}", err=True)


def _plain_text(text: str, what: str) -> str:
    """Text on one line. Raises MeetsenseError."""
    text = text.strip()
    if not text or not text.isprintable():
        raise MeetsenseError(f"{what} must be printable text on one line, and not empty")
    return text


@people.command("list")
@click.option("--json", is_flag=True, help="Print JSON.")
@database_options
def list_people(json: bool, db: Path | None, config: Path | None) -> None:
    """Everybody the database knows by name."""
    from meetsense.report.escape import clean

    with _open(db, config) as store:
        known = store.people()
    if json:
        _print_json([_row(person) for person in known])
        return
    if not known:
        click.echo("nobody is known yet; make somebody known with: meetsense people add NAME", err=True)
    for person in known:
        voice = f"voice enrolled, {person.seconds:.0f} s" if person.prints else "no voiceprint"
        where = f"in {counted(person.meetings, 'meeting')}, {person.known_again} by voice"
        click.echo(f"{clean(person.name)}  {voice}; {where}")


@people.command()
@click.argument("name")
@click.option("--json", is_flag=True, help="Print JSON.")
@database_options
def show(name: str, json: bool, db: Path | None, config: Path | None) -> None:
    """What is kept of a person: agreements, where their voiceprint comes from, meetings."""
    from meetsense.report.escape import clean

    with _open(db, config) as store:
        known, sources, voices = store.person(name)
        said = store.statements(name)
        role = store.roles([name]).get(name)
    if json:
        lists = {"voiceprint": sources, "agreements": said}
        rows = {key: [_row(value) for value in values] for key, values in lists.items()}
        _print_json({**_row(known), "role": role, **rows, "speakers": voices})
        return
    click.echo(clean(f"{known.name}, {role}" if role else known.name))
    for source in sources:
        told = f"{source.seconds:.0f} s from {clean(source.origin)}, {_day(source.made_at)}"
        click.echo(f"  voiceprint: {told}, {clean(source.space)}")
    for statement in said:
        _print_statement(statement)
    for voice in voices:
        click.echo(f"  speaks as {clean(voice)}")


@people.command()
@click.argument("name")
@click.option(
    "--from",
    "source",
    required=True,
    metavar="MEETING:SPEAKER|FILE",
    help="A speaker of a stored meeting, or a recording of this person alone.",
)
@click.option("--audio", type=click.Path(path_type=Path), help="The recording of that meeting.")
@click.option("--anyway", is_flag=True, help="Even if the voice sounds like somebody else's who is enrolled.")
@database_options
def enrol(
    name: str, source: str, audio: Path | None, anyway: bool, db: Path | None, config: Path | None
) -> None:
    """Keep what NAME's voice sounds like, so that later meetings know it again.

    NAME must have agreed: meetsense consent grant NAME voiceprint --basis TEXT. It takes 30 s of their
    speech. Voiceprints of meetings aren't kept, so that a speaker of a meeting is heard again in its
    recording: name it with --audio. Enrolling once more adds to the voiceprint.
    """
    from meetsense import review

    settings = _settings(config)
    file = Path(source)
    if audio is not None and file.is_file():
        raise click.UsageError("--audio goes with --from MEETING:SPEAKER")
    review.need_voiceprints(settings.models)
    with _open(db, config) as store:
        store.may_enrol(name)
        known = store.enrolled()
        if file.is_file():
            digest = _digest(file)
            heard = review.listen(file, _ears(settings), known)
            made = review.voice_of_file(heard, name, anyway=anyway)
            store.enrol(name, [made], f"{file.name} ({digest[:8]})")
        else:
            meeting, label = _split(source)
            meeting = store.resolve(meeting)
            recording, turns = _recording(store, meeting, label, audio)
            heard = review.listen(recording, _ears(settings), known)
            made = review.voice_of_speaker(heard, turns, label, name, anyway=anyway)
            store.enrol(name, [made], f"{meeting}:{label}", source=(meeting, label))
    click.echo(f"enrolled {name} from {source}: {made.seconds:.0f} s of speech", err=True)


def _recording(store: Store, meeting: str, label: str, audio: Path | None) -> tuple[Path, tuple[Turn, ...]]:
    """The recording of a stored meeting that has this speaker, and its turns. Raises MeetsenseError."""
    analysis = store.load(meeting)
    if label not in {speaker.label for speaker in analysis.speakers}:
        raise MeetsenseError(f"meeting {meeting} has no speaker {label!r}; see: meetsense show {meeting}")
    if audio is None:
        raise MeetsenseError(
            f"voiceprints of meetings aren't kept, so {label} must be heard again: "
            "name the meeting's recording with --audio FILE"
        )
    if not _digest(audio).startswith(meeting):
        raise MeetsenseError(f"{audio}: is not the recording of meeting {meeting}; its id is another")
    return audio, analysis.turns


def _digest(file: Path) -> str:
    """SHA-256 of a file, in hex. Raises MeetsenseError."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise MeetsenseError(f"{file}: cannot be read ({error.strerror})") from None


@people.command()
@click.argument("source", metavar="MEETING:SPEAKER")
@click.argument("name", required=False)
@click.option("--nobody", is_flag=True, help="It is nobody's that is known: take the name away.")
@database_options
def correct(source: str, name: str | None, nobody: bool, db: Path | None, config: Path | None) -> None:
    """Say whose a voice is: that meeting, voiceprints and what was recognised by them follow."""
    from meetsense import review
    from meetsense.report.escape import clean

    if nobody == (name is not None):
        raise click.UsageError("say NAME or --nobody")
    meeting, label = _split(source)
    settings = _settings(config)
    with _open(db, config) as store:
        known = {person.name for person in store.people()}
        done = review.correct(store, meeting, label, name, _ears(settings))
    result = done.correction
    if name is not None and name not in known:
        click.echo(f"{clean(name)} was not known here before", err=True)
    if result.name:
        click.echo(f"{clean(source)} is {clean(result.name)}", err=True)
    else:
        refused = f": {clean(name)} does not agree to be named" if name else ""
        click.echo(f"{clean(source)} has no name now{refused}", err=True)
    if result.print_moved and name:
        click.echo(f"its sound was added to the voiceprint of {clean(name)}", err=True)
    others = counted(result.reconsidered, "other recognition")
    if done.undone:
        click.echo(f"not judged again: {others}, whose names stay: {clean(done.undone)}", err=True)
    elif result.reconsidered:
        click.echo(f"judged again: {others}", err=True)
    for other, speaker in result.unnamed:
        click.echo(f"unknown now: {clean(other)}:{clean(speaker)}", err=True)


@people.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask.")
@database_options
def delete(name: str, yes: bool, db: Path | None, config: Path | None) -> None:
    """Forget a person: agreements, voiceprint, and their name in every meeting.

    What was said stays, under the label of the voice. A label or an utterance that is their name stays as
    well, and so does their name in the folders of recordings that they were present at.
    """
    with _open(db, config) as store:
        known, _, _ = store.person(name)
        if not yes:
            where = counted(known.meetings, "meeting")
            click.confirm(f"Forget {name}, named in {where}?", abort=True, err=True)
        present = sum(name in recording.basis.people for recording in store.recordings())
        store.forget_person(name)
    click.echo(f"{name} is forgotten", err=True)
    if present:
        click.echo(
            f"not in the folders of {counted(present, 'recording')}, which say who was present", err=True
        )


@click.group()
@database_options
def consent(db: Path | None, config: Path | None) -> None:
    """What people agreed to: grant, withdraw, show.

    Purposes: recording, transcription, named, voiceprint, weekly_mail, cli_review. The last statement counts;
    none is deleted before the person is.
    """


@consent.command()
@click.argument("name")
@click.argument("purpose", type=click.Choice(PURPOSES))
@click.option("--basis", required=True, help="On what this rests, such as: signed form, 23 November.")
@database_options
def grant(name: str, purpose: str, basis: str, db: Path | None, config: Path | None) -> None:
    """Record that NAME agrees to a purpose."""
    if not name.strip() or not basis.strip():
        raise MeetsenseError("NAME and --basis must be text that isn't empty")
    _state(name.strip(), purpose, True, basis.strip(), db, config)


@consent.command()
@click.argument("name")
@click.argument("purpose", type=click.Choice(PURPOSES))
@click.option("--basis", default="withdrawn on the command line", show_default=True, help="How it was said.")
@database_options
def withdraw(name: str, purpose: str, basis: str, db: Path | None, config: Path | None) -> None:
    """Record that NAME no longer agrees.

    To recording: a recording that runs with them present ends, and it and what waits to be analysed are
    removed by the services; what is analysed stays. To voiceprint: the voiceprint is deleted, with the names
    that rest on it. To named: the name goes from every meeting.
    """
    _state(name.strip(), purpose, False, basis, db, config)
    if purpose == "recording":
        _tell_what_follows(name.strip(), db, config)


def _tell_what_follows(name: str, db: Path | None, config: Path | None) -> None:
    """What becomes of the recordings with somebody present who doesn't allow them any more."""
    from meetsense.values import RecordingState

    with _open(db, config) as store:
        states = [r.state for r in store.recordings() if name in r.basis.people and r.samples]
        running = store.recordings(RecordingState.RECORDING)
    if any(name in recording.basis.people for recording in running):
        click.echo("the recording that runs ends now, and its sound is removed", err=True)
    waiting = sum(state not in (RecordingState.DONE, RecordingState.RECORDING) for state in states)
    if waiting:
        click.echo(
            f"{counted(waiting, 'recording')} not analysed yet: the processor removes the sound", err=True
        )
    if done := states.count(RecordingState.DONE):
        click.echo(f"{counted(done, 'recording')} analysed already: sound and result stay", err=True)


def _state(name: str, purpose: str, agreed: bool, basis: str, db: Path | None, config: Path | None) -> None:
    from meetsense.report.escape import clean
    from meetsense.values import Agreement

    with _open(db, config, create=agreed) as store:
        new = agreed and name not in {person.name for person in store.people()}
        changed = store.state(name, Agreement(purpose), agreed, basis)
    does = "agrees" if agreed else "does not agree"
    if new:
        click.echo(
            f"{clean(name)} is new here: if that is a slip, take it back with: "
            f"meetsense people delete {clean(shlex.quote(name))}",
            err=True,
        )
    click.echo(f"{clean(name)} {does} to {purpose}" + ("" if changed else ", as before"), err=True)


@consent.command("show")
@click.argument("name", required=False)
@click.option("--json", is_flag=True, help="Print JSON.")
@database_options
def show_consent(name: str | None, json: bool, db: Path | None, config: Path | None) -> None:
    """Every statement, of everybody or of NAME, the last one last."""
    from meetsense.report.escape import clean

    with _open(db, config) as store:
        found = store.statements(name)
    if json:
        _print_json([_row(statement) for statement in found])
        return
    person = None
    for statement in found:
        if statement.person != person:
            person = statement.person
            click.echo(clean(person))
        _print_statement(statement)


def _print_statement(statement: Statement) -> None:
    from meetsense.report.escape import clean

    does = "agrees to" if statement.agreed else "does not agree to"
    click.echo(f"  {does} {statement.purpose}: {clean(statement.basis)}, {_day(statement.stated_at)}")

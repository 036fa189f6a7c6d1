"""Voiceprints and parked meetings: only with consent, corrected everywhere, deleted to the byte."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlite_utils import Database

from meetsense.errors import EngineError, StoreError
from meetsense.store import Store
from meetsense.values import (
    Agreement,
    Analysis,
    Engines,
    Meeting,
    Participant,
    Recognised,
    Roster,
    Span,
    Speaker,
    Turn,
    Utterance,
    Voiceprint,
)

ENROLLED = (0.123456789, -7.25, 3.5)
HEARD = (0.987654321, -7.5, 3.25)


def meeting(number: int, *known: tuple[str, str]) -> Analysis:
    """A meeting of S1 and S2, of whom some (label, person) were known again."""
    voices = tuple(Recognised(label, 0.97, Voiceprint(name, "x@1", HEARD, 40.0)) for label, name in known)
    names = dict(known)
    return Analysis(
        Meeting(f"{number:012x}", f"Meeting {number}", datetime(2026, 11, number, tzinfo=UTC), 60.0),
        Engines(),
        (Speaker("S1", names.get("S1")), Speaker("S2", names.get("S2"))),
        (Turn(Span(0.0, 2.0), "S1"), Turn(Span(2.0, 3.0), "S2")),
        (Utterance(0, "S1", Span(0.0, 2.0), "Good morning."),),
        recognised=voices,
    )


def id_of(number: int) -> str:
    return f"{number:012x}"


def agree(store: Store, name: str, *purposes: Agreement) -> None:
    for purpose in purposes or (Agreement.VOICEPRINT,):
        store.state(name, purpose, True, "asked")


def enrol(store: Store, name: str, vector: tuple[float, ...] = ENROLLED, origin: str = "a.wav") -> None:
    agree(store, name)
    store.enrol(name, [Voiceprint(name, "x@1", vector, 60.0)], origin)


def same(voices: Sequence[Recognised], enrolled: Sequence[Voiceprint]) -> list[float | None]:
    """Everything stays."""
    return [voice.probability for voice in voices]


def unknown(voices: Sequence[Recognised], enrolled: Sequence[Voiceprint]) -> list[float | None]:
    """Nothing stays."""
    return [None for _ in voices]


def names(store: Store, number: int) -> list[str | None]:
    return [speaker.name for speaker in store.load(id_of(number)).speakers]


def count(store: Store, table: str) -> int:
    with sqlite3.connect(store.path) as conn:
        found: int = conn.execute(f"select count(*) from {table}").fetchone()[0]
    conn.close()
    return found


def bytes_of(store: Store) -> bytes:
    """What the database's files hold."""
    files = store.path.parent.glob(f"{store.path.name}*")
    return b"".join(file.read_bytes() for file in files)


def packed(vector: tuple[float, ...]) -> bytes:
    return struct.pack(f"<{len(vector)}d", *vector)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "meetsense.db") as opened:
        yield opened


def test_nobody_is_enrolled_without_their_last_word(store: Store) -> None:
    voiceprint = Voiceprint("Ada", "x@1", ENROLLED, 60.0)
    for said in (
        [],
        [(Agreement.NAMED, True)],
        [(Agreement.VOICEPRINT, True), (Agreement.VOICEPRINT, False)],
    ):
        for purpose, agreed in said:
            store.state("Ada", purpose, agreed, "asked")
        with pytest.raises(StoreError, match=r"'Ada' has not agreed to a voiceprint; .* consent grant Ada"):
            store.enrol("Ada", [voiceprint], "a.wav")
    assert count(store, "voiceprints") == 0
    agree(store, "Ada")
    store.enrol("Ada", [voiceprint], "a.wav")
    assert store.enrolled() == store.enrolled("x@1") == (voiceprint,)
    assert store.enrolled("other@1") == ()


def test_a_source_is_enrolled_once(store: Store) -> None:
    enrol(store, "Ada")
    enrol(store, "Ada", HEARD)
    assert [p.vector for p in store.enrolled()] == [HEARD]
    enrol(store, "Ada", ENROLLED, "b.wav")
    assert [p.vector for p in store.enrolled()] == [HEARD, ENROLLED]


def test_a_speaker_of_a_meeting_is_one_person(store: Store) -> None:
    store.save(meeting(1))
    for name in ("Ada", "Bo"):
        agree(store, name)
        store.enrol(name, [Voiceprint(name, "x@1", ENROLLED, 60.0)], "m", source=(id_of(1), "S1"))
    assert [p.person for p in store.enrolled()] == ["Bo"]


def test_who_refuses_to_be_named_is_not_known_again(store: Store) -> None:
    enrol(store, "Ada")
    agree(store, "Ada", Agreement.NAMED)
    store.save(meeting(1, ("S1", "Ada")))
    store.state("Ada", Agreement.NAMED, False, "withdrawn")
    assert store.enrolled() == ()
    assert names(store, 1) == [None, None]
    assert store.load(id_of(1)).recognised == ()
    assert [(p.name, p.known_again) for p in store.people()] == [("Ada", 0)]
    assert count(store, "known_again") == 0
    assert packed(HEARD) not in bytes_of(store)


def of_another_name() -> tuple[Analysis, Roster]:
    """Meeting 1, whose roster gives the enrolled voice Adalbertina the name Bo."""
    known = meeting(1, ("S1", "Adalbertina"))
    roster = Roster((Participant("Bo", None, None, "Adalbertina"),))
    return replace(known, speakers=(Speaker("S1", "Bo"), Speaker("S2"))), roster


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_name_that_a_roster_gives_a_voice_goes_with_the_voiceprint(store: Store, when: str) -> None:
    enrol(store, "Adalbertina")
    if when == "after":
        store.save(*of_another_name())
        assert names(store, 1) == ["Bo", None]
    store.state("Adalbertina", Agreement.VOICEPRINT, False, "withdrawn")
    if when == "before":
        store.save(*of_another_name())
    assert names(store, 1) == [None, None]


def test_a_name_that_a_roster_gives_a_label_stays(store: Store) -> None:
    analysis, _ = of_another_name()
    store.save(analysis, Roster((Participant("Bo", None, "S1"),)))
    assert names(store, 1) == ["Bo", None]


def test_forgetting_reaches_a_voice_that_a_roster_names(store: Store) -> None:
    enrol(store, "Adalbertina")
    store.save(*of_another_name())
    store.forget_person("Adalbertina")
    assert names(store, 1) == [None, None]
    assert b"Adalbertina" not in bytes_of(store)


def test_a_deletion_that_cannot_rewrite_the_file_says_that_it_is_done(store: Store) -> None:
    enrol(store, "Ada")
    enrol(store, "Bo", (1.5,), "b.wav")
    store._db.conn.execute("pragma busy_timeout = 50")
    with sqlite3.connect(store.path) as other:
        scrub = store._scrub

        def while_another_writes() -> None:
            other.execute("begin immediate")
            scrub()

        store._scrub = while_another_writes  # type: ignore[method-assign]
        with pytest.raises(StoreError, match=r"done, but .* \(another program is writing\)"):
            store.forget_person("Ada")
        other.rollback()
        store._scrub = scrub  # type: ignore[method-assign]
    other.close()
    assert [person.name for person in store.people()] == ["Bo"]
    store.forget_person("Bo")
    assert packed(ENROLLED) not in bytes_of(store)


@pytest.mark.parametrize("how", ["withdraw", "roster", "forget"])
def test_a_deleted_voiceprint_is_gone_to_the_byte(store: Store, how: str) -> None:
    enrol(store, "Ada")
    enrol(store, "Bo", (1.5, 2.5, 3.125), "b.wav")
    for number in range(1, 20):
        store.save(meeting(number, ("S1", "Ada"), ("S2", "Bo")))
    store.save(meeting(3, ("S1", "Ada")))
    assert packed(ENROLLED) in bytes_of(store)
    if how == "withdraw":
        store.state("Ada", Agreement.VOICEPRINT, False, "withdrawn")
    elif how == "roster":
        person = Participant("Ada", None, "S1", None, frozenset({Agreement.NAMED}))
        store.save(meeting(4), Roster((person,)))
    else:
        store.forget_person("Ada")
    assert packed(ENROLLED) not in bytes_of(store)
    assert packed((1.5, 2.5, 3.125)) in bytes_of(store)
    assert [p.person for p in store.enrolled()] == ["Bo"]
    assert names(store, 1) == [None, "Bo"]
    assert [v.label for v in store.load(id_of(1)).recognised] == ["S2"]


def test_forgetting_leaves_labels_and_words_but_no_name(store: Store) -> None:
    enrol(store, "Adalbertina")
    agree(store, "Adalbertina", Agreement.NAMED, Agreement.RECORDING)
    note = "The roster names the enrolled voice Adalbertina, which was not known again here."
    roster = Roster((Participant("Adalbertina", "chair", "S2"),))
    store.save(replace(meeting(1, ("S1", "Adalbertina")), notes=(note, "Another note.")), roster)
    assert b"Adalbertina" in bytes_of(store)
    store.forget_person("Adalbertina")
    assert b"Adalbertina" not in bytes_of(store)
    left = store.load(id_of(1))
    assert [s.label for s in left.speakers] == ["S1", "S2"]
    assert (len(left.utterances), left.notes) == (1, ("Another note.",))
    assert (store.people(), store.statements()) == ((), ())
    with pytest.raises(StoreError, match="nobody is called 'Adalbertina' here"):
        store.forget_person("Adalbertina")


@pytest.mark.parametrize(("diarizer", "left"), [("a@1", id_of(1)), ("b@1", None)])
def test_an_enrolment_outlives_its_meeting(store: Store, diarizer: str, left: str | None) -> None:
    before, after = (replace(meeting(1), engines=Engines(diarizer=name)) for name in ("a@1", diarizer))
    store.save(before)
    agree(store, "Ada")
    store.enrol("Ada", [Voiceprint("Ada", "x@1", ENROLLED, 60.0)], "m:S1", source=(id_of(1), "S1"))
    store.save(after)
    assert [p.vector for p in store.enrolled()] == [ENROLLED]
    assert store.person("Ada")[1][0].origin == "m:S1"
    with sqlite3.connect(store.path) as conn:
        assert conn.execute("pragma foreign_key_check").fetchall() == []
        assert conn.execute("select meeting from voiceprints").fetchall() == [(left,)]
    conn.close()


def test_a_correction_after_a_second_analysis_takes_a_wrong_enrolment_back(store: Store) -> None:
    store.save(meeting(1))
    agree(store, "Ada")
    store.enrol("Ada", [Voiceprint("Ada", "x@1", ENROLLED, 60.0)], "m:S1", source=(id_of(1), "S1"))
    store.save(meeting(1))
    store.correct(id_of(1), "S1", "Bo", same)
    assert store.enrolled() == ()


def test_consent_that_ended_while_a_meeting_was_analysed_ends_it_there(store: Store) -> None:
    enrol(store, "Ada")
    analysed = meeting(1, ("S1", "Ada"))
    store.state("Ada", Agreement.VOICEPRINT, False, "withdrawn")
    store.save(analysed)
    assert names(store, 1) == [None, None]
    assert count(store, "recognitions") == 0
    assert packed(HEARD) not in bytes_of(store)


def test_a_correction_moves_the_print_to_the_right_person(store: Store) -> None:
    enrol(store, "Ada")
    enrol(store, "Bo", (9.0,), "b.wav")
    store.save(meeting(1, ("S1", "Ada")))
    done = store.correct(id_of(1)[:12], "S1", "Bo", same)
    assert (done.name, done.print_moved) == ("Bo", True)
    assert names(store, 1) == ["Bo", None]
    assert store.load(id_of(1)).recognised == ()
    assert [(p.person, p.vector) for p in store.enrolled()] == [
        ("Ada", ENROLLED), ("Bo", (9.0,)), ("Bo", HEARD),
    ]  # fmt: skip


def test_a_correction_drops_the_print_of_who_is_not_enrolled(store: Store) -> None:
    enrol(store, "Ada")
    store.save(meeting(1, ("S1", "Ada")))
    done = store.correct(id_of(1), "S1", "Bo", same)
    assert (done.name, done.print_moved) == ("Bo", False)
    assert names(store, 1) == ["Bo", None]
    assert packed(HEARD) not in bytes_of(store)
    store.correct(id_of(1), "S1", None, same)
    assert names(store, 1) == [None, None]


def test_a_wrong_enrolment_is_taken_back_and_its_recognitions_are_judged_again(store: Store) -> None:
    store.save(meeting(1))
    enrol(store, "Ada", (5.0,), "ada.wav")
    store.enrol("Ada", [Voiceprint("Ada", "x@1", ENROLLED, 60.0)], "m:S1", source=(id_of(1), "S1"))
    enrol(store, "Bo", (9.0,), "bo.wav")
    for number in (2, 3, 4):
        store.save(meeting(number, ("S1", "Ada")))
    asked: list[tuple[str, list[str]]] = []

    def judge(voices: Sequence[Recognised], enrolled: Sequence[Voiceprint]) -> list[float | None]:
        asked.extend((v.label, [p.person for p in enrolled]) for v in voices)
        return [0.99, None, 0.96]

    done = store.correct(id_of(1), "S1", "Bo", judge)
    assert asked == [("S1", ["Ada", "Bo", "Bo"])] * 3
    assert [(p.person, p.vector) for p in store.enrolled()] == [
        ("Ada", (5.0,)), ("Bo", (9.0,)), ("Bo", ENROLLED),
    ]  # fmt: skip
    assert (done.reconsidered, done.unnamed) == (3, ((id_of(3), "S1"),))
    assert [names(store, n)[0] for n in (1, 2, 3, 4)] == ["Bo", "Ada", None, "Ada"]
    assert [v.probability for n in (2, 3, 4) for v in store.load(id_of(n)).recognised] == [0.99, 0.96]


def test_a_correction_whose_judge_fails_changes_nothing(store: Store) -> None:
    enrol(store, "Ada")
    enrol(store, "Bo", (9.0,), "bo.wav")
    store.save(meeting(1, ("S1", "Ada")))
    store.save(meeting(2, ("S1", "Bo")))

    def broken(voices: Sequence[Recognised], enrolled: Sequence[Voiceprint]) -> list[float | None]:
        raise EngineError("no engine")

    with pytest.raises(EngineError):
        store.correct(id_of(1), "S1", "Bo", broken)
    assert names(store, 1) == ["Ada", None]
    assert len(store.enrolled()) == 2


def test_a_correction_respects_who_does_not_want_to_be_named(store: Store) -> None:
    enrol(store, "Ada")
    agree(store, "Bo", Agreement.NAMED)
    store.state("Bo", Agreement.NAMED, False, "withdrawn")
    store.save(meeting(1, ("S1", "Ada")))
    assert store.correct(id_of(1), "S1", "Bo", same).name is None
    assert names(store, 1) == [None, None]


def test_a_correction_of_what_is_not_there_is_one_line(store: Store) -> None:
    store.save(meeting(1))
    for source, why in (((id_of(1), "S9"), "has no speaker 'S9'"), (("zz", "S1"), "no meeting 'zz'")):
        with pytest.raises(StoreError, match=why):
            store.correct(*source, "Ada", unknown)
    assert store.people() == ()


def test_people_and_views_tell_what_is_kept(store: Store) -> None:
    enrol(store, "Ada")
    store.save(meeting(1, ("S1", "Ada")))
    (known,) = store.people()
    assert (known.name, known.prints, known.seconds, known.meetings, known.known_again) == (
        "Ada",
        1,
        60,
        1,
        1,
    )
    assert store.person("Ada")[2] == (f"{id_of(1)}:S1",)
    with sqlite3.connect(store.path) as conn:
        columns = [c[0] for c in conn.execute("select * from enrolments").description]
        assert columns == ["name", "space", "seconds", "origin", "made_at"]
        assert conn.execute("select name, origin from enrolments").fetchall() == [("Ada", "a.wav")]
        assert conn.execute("select name, speaker from known_again").fetchall() == [("Ada", "S1")]
    conn.close()


def test_a_parked_meeting_is_listed_until_it_is_saved(store: Store) -> None:
    store.park(id_of(1), "Planning", "it ran out of memory")
    store.park(id_of(1), "Planning", "it took too long")
    (parked,) = store.parked()
    assert (parked.id, parked.title, parked.reason) == (id_of(1), "Planning", "it took too long")
    assert parked.parked_at.tzinfo is not None
    assert store.meetings() == ()
    store.save(meeting(2))
    assert store.parked() == (parked,)
    store.save(meeting(1))
    assert store.parked() == ()


def test_a_database_of_before_gets_the_new_tables_and_keeps_its_meetings(tmp_path: Path) -> None:
    from meetsense.store.migrations import migrations

    path = tmp_path / "old.db"
    with sqlite3.connect(path) as conn:
        conn.execute("pragma journal_mode=wal")
        migrations.apply(Database(conn), stop_before="m002_voiceprints")
        conn.execute(
            """insert into meetings (id, title, started_at, duration, analysed_at)
               values ('a', 'Old', '2026-01-01T00:00:00+00:00', 1.0, '2026-01-01T00:00:00+00:00')"""
        )
    conn.close()
    with Store(path) as store:
        assert [m.title for m in store.meetings()] == ["Old"]
        assert (store.parked(), store.enrolled()) == ((), ())

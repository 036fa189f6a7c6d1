"""The bundled meeting: its truth is complete, fits the sound, and holds what the meeting is there to show."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import soundfile

from meetsense.interaction.backchannels import backchannels
from meetsense.interaction.floor import Stretches, floor, merge, overlapped, segments
from meetsense.interchange import rttm
from meetsense.privacy.roster import read_roster
from meetsense.speech.directory import BUNDLED
from meetsense.values import (
    SAMPLE_RATE,
    Act,
    ActLabel,
    DecisionChain,
    DecisionStatus,
    LedgerEntry,
    LedgerRole,
    Span,
    Turn,
    Utterance,
    Word,
    union,
)

FOLDER = BUNDLED / "demo-meeting"
CHAIR = "Mira"
ROUNDING = 0.0015
"""Seconds by which two times, each rounded to 1 ms, may differ."""


def rows(name: str) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads((FOLDER / name).read_text())
    return content


def turns() -> tuple[Turn, ...]:
    cues = rttm.read((FOLDER / "meeting.rttm").read_text()).cues
    return tuple(Turn(cue.span, cue.speaker) for cue in cues)


def utterances() -> tuple[Utterance, ...]:
    said: dict[int, list[Word]] = {}
    for row in rows("words.json"):
        word = Word(Span(row["start"], row["end"]), row["word"], 1.0)
        said.setdefault(row["utterance"], []).append(word)
    return tuple(
        Utterance(
            row["id"], row["speaker"], Span(row["start"], row["end"]), row["text"], tuple(said[row["id"]])
        )
        for row in rows("acts.json")
    )


def acts() -> tuple[Act, ...]:
    return tuple(Act(row["id"], ActLabel(row["act"]), 1.0) for row in rows("acts.json"))


def chains() -> tuple[DecisionChain, ...]:
    return tuple(
        DecisionChain(
            row["id"],
            DecisionStatus(row["status"]),
            Span(row["start"], row["end"]),
            row["topic"],
            1.0,
            tuple(LedgerEntry(LedgerRole(e["role"]), e["speaker"], e["utterance"]) for e in row["ledger"]),
            row["returns_from"],
        )
        for row in rows("decisions.json")
    )


def people() -> list[str]:
    return list(dict.fromkeys(turn.speaker for turn in turns()))


def stretches() -> Stretches:
    return merge(segments(turns(), people()))


def backchannel_flags() -> Any:
    return backchannels(stretches(), people(), utterances(), acts())


def proposers(chain: DecisionChain) -> set[str]:
    return {entry.speaker for entry in chain.ledger if entry.role is LedgerRole.PROPOSED}


def test_the_sound_is_small_mono_16_khz_and_lasts_two_to_four_minutes() -> None:
    info = soundfile.info(FOLDER / "meeting.flac")
    assert (info.samplerate, info.channels, info.subtype) == (SAMPLE_RATE, 1, "PCM_16")
    assert 120 <= info.duration <= 240
    assert (FOLDER / "meeting.flac").stat().st_size < 5_000_000


def test_words_are_those_of_the_utterances_in_order_and_inside_them() -> None:
    for said in utterances():
        assert [word.text for word in said.words] == said.text.split()
        assert said.words[0].span.start == pytest.approx(said.span.start, abs=ROUNDING)
        assert said.words[-1].span.end == pytest.approx(said.span.end, abs=ROUNDING)
        for word, following in pairwise(said.words):
            assert word.span.duration > 0
            assert word.span.end <= following.span.start + ROUNDING


def test_ids_are_positions_and_utterances_are_in_time_order() -> None:
    said = utterances()
    assert [utterance.id for utterance in said] == list(range(len(said)))
    assert all(a.span.start <= b.span.start for a, b in pairwise(said))
    assert [word["start"] for word in rows("words.json")] == sorted(
        word["start"] for word in rows("words.json")
    )


def test_turns_are_where_the_words_are() -> None:
    for speaker in people():
        spoken = union((turn.span for turn in turns() if turn.speaker == speaker), gap=ROUNDING)
        said = [word.span for u in utterances() if u.speaker == speaker for word in u.words]
        assert all(
            any(s.start - ROUNDING <= w.start and w.end <= s.end + ROUNDING for s in spoken) for w in said
        )
        joined = union(said, gap=0.2)
        assert len(joined) == len(spoken)
        for a, b in zip(joined, spoken, strict=True):
            assert (a.start, a.end) == pytest.approx((b.start, b.end), abs=ROUNDING)


def test_the_sound_is_loud_where_somebody_speaks_and_quiet_where_nobody_does() -> None:
    samples, _ = soundfile.read(FOLDER / "meeting.flac", dtype="float32")
    assert np.abs(samples).max() < 0.999
    speech = np.zeros(len(samples), bool)
    near = np.zeros(len(samples), bool)
    for turn in turns():
        speech[round(turn.span.start * SAMPLE_RATE) : round(turn.span.end * SAMPLE_RATE)] = True
        echo = turn.span.end + 0.25
        near[round((turn.span.start - 0.02) * SAMPLE_RATE) : round(echo * SAMPLE_RATE)] = True
    loud, quiet = (float(np.sqrt(np.mean(samples[which] ** 2))) for which in (speech, ~near))
    assert (~near).sum() > SAMPLE_RATE
    assert loud > 10 * quiet > 0


def test_people_overlap_interrupt_and_listen_enough() -> None:
    speech = merge(segments(turns(), people()), 1)
    both = overlapped(speech, 2)
    spoken = sum(span.duration for span in union(turn.span for turn in turns()))
    assert (both[:, 1] - both[:, 0]).sum() / 1000 >= 0.08 * spoken
    listening = backchannel_flags()
    assert listening.sum() >= 12
    assert len(floor(stretches(), listening).interruptions) >= 6


def test_every_backchannel_of_the_script_leaves_the_floor_where_it_was() -> None:
    labelled = sum(act.label is ActLabel.BACKCHANNEL for act in acts())
    assert labelled >= 12
    assert backchannel_flags().sum() >= 0.9 * labelled


def test_every_act_occurs() -> None:
    assert {act.label for act in acts()} == set(ActLabel)


def test_the_chair_talks_most_and_proposes_nothing_that_is_adopted() -> None:
    seconds = {
        speaker: sum(turn.span.duration for turn in turns() if turn.speaker == speaker)
        for speaker in people()
    }
    assert len(seconds) == 4
    assert max(seconds, key=seconds.__getitem__) == CHAIR
    assert min(seconds.values()) > 15
    for chain in chains():
        if chain.status is DecisionStatus.ADOPTED:
            assert CHAIR not in proposers(chain)


def test_three_ideas_are_adopted_one_is_rejected_and_one_is_ignored() -> None:
    statuses = sorted(chain.status for chain in chains())
    assert statuses == sorted(
        [*[DecisionStatus.ADOPTED] * 3, DecisionStatus.IGNORED, DecisionStatus.REJECTED]
    )


def test_the_ignored_idea_comes_back_from_somebody_else_who_gets_the_credit() -> None:
    (back,) = [chain for chain in chains() if chain.returns_from is not None]
    (ignored,) = [chain for chain in chains() if chain.status is DecisionStatus.IGNORED]
    assert back.returns_from == ignored.id
    assert back.status is DecisionStatus.ADOPTED
    assert ignored.span.end < back.span.start
    assert not proposers(back) & proposers(ignored)
    texts = {said.id: said.text for said in utterances()}
    confirmation = next(e.utterance for e in back.ledger if e.role is LedgerRole.CONFIRMED)
    assert proposers(back).pop() in texts[confirmation]


def test_the_evidence_of_every_decision_is_an_utterance_of_that_person_with_a_fitting_act() -> None:
    said = {utterance.id: utterance for utterance in utterances()}
    label = {act.utterance: act.label for act in acts()}
    fitting = {
        LedgerRole.RAISED: {ActLabel.QUESTION, ActLabel.INFORMATION},
        LedgerRole.PROPOSED: {ActLabel.PROPOSAL},
        LedgerRole.OBJECTED: {ActLabel.DISAGREEMENT},
        LedgerRole.AGREED: {ActLabel.AGREEMENT},
        LedgerRole.CONFIRMED: {ActLabel.CONFIRMATION},
        LedgerRole.COMMITTED: {ActLabel.COMMITMENT},
    }
    for position, chain in enumerate(chains()):
        assert chain.id == position
        assert [entry.role for entry in chain.ledger[:2]] == [LedgerRole.RAISED, LedgerRole.PROPOSED]
        for entry in chain.ledger:
            assert said[entry.utterance].speaker == entry.speaker
            assert label[entry.utterance] in fitting[entry.role]
            assert chain.span.overlap(said[entry.utterance].span) > 0
        starts = [said[entry.utterance].span.start for entry in chain.ledger]
        assert starts == sorted(starts)


def test_the_roster_names_everybody_and_the_chair_but_no_voice() -> None:
    roster = read_roster(FOLDER / "roster.toml")
    assert {person.name for person in roster.participants} == set(people())
    assert {person.name: person.role for person in roster.participants if person.role} == {CHAIR: "chair"}
    assert all(person.label is None and person.shown_name for person in roster.participants)


def test_the_card_says_what_it_is_and_its_licence() -> None:
    card = (FOLDER / "README.md").read_text()
    assert "LICENSE" in card
    assert "espeak-ng" in card

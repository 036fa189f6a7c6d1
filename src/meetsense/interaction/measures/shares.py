"""How talk spreads over people: time, turns, interruptions and listening sounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from meetsense.interaction import participation as part_of
from meetsense.interaction import uncertainty as sure
from meetsense.interaction.clauses import open_words, silent_interruptions
from meetsense.interaction.floor import Ints
from meetsense.interaction.measures import made
from meetsense.interaction.measures.definition import NOT_A_GOAL, NOT_MERIT, SHORT, Definition
from meetsense.interaction.measures.talk import MS_A_MINUTE, Talk
from meetsense.values import ActLabel, Grade, Measure, Subject, SubjectKind

BY_LENGTH = (Grade.TENTATIVE, "told by length alone: there are no acts")
LAST_WORDS = "told by last words alone, which show few of them"

DEFINITIONS = (
    Definition(
        "talk_time",
        SubjectKind.SPEAKER,
        "s",
        "seconds that the person spoke; overlap counts for everybody who speaks",
        "turns",
        SHORT,
        "Bales 1950; Schmid Mast 2002",
        NOT_MERIT,
    ),
    Definition(
        "talk_share",
        SubjectKind.SPEAKER,
        "share",
        "the person's speaking time / the sum of everybody's",
        "turns",
        SHORT,
        "Bales 1950; Schmid Mast 2002",
        NOT_MERIT,
    ),
    Definition(
        "turns",
        SubjectKind.SPEAKER,
        "count",
        "maximal runs of the person's stretches with nobody else's between; speech wholly inside somebody "
        "else's is in no turn",
        "turns, listeners set aside",
        "under 10 turns of the person tentative",
        "Heldner & Edlund 2010",
        NOT_MERIT,
    ),
    Definition(
        "turn_share",
        SubjectKind.SPEAKER,
        "share",
        "the person's turns / everybody's turns",
        "turns, listeners set aside",
        "under 10 turns of the person tentative",
        "Heldner & Edlund 2010",
        NOT_MERIT,
    ),
    Definition(
        "longest_turn",
        SubjectKind.SPEAKER,
        "s",
        "the longest of the person's turns, own pauses included",
        "turns, listeners set aside",
        "under 10 turns of the person tentative; no upper bound is known but the value itself",
        "this project's own",
        NOT_MERIT,
    ),
    Definition(
        "interruptions_made",
        SubjectKind.SPEAKER,
        "per minute",
        "times the person began at least 0.2 s before who held the floor ended, and either went on for 1 s "
        "after that (successful) or stopped first (failed) / minutes of the others' speech",
        "turns, listeners set aside",
        "under 10 tentative; cooperative and competitive ones are not told apart",
        "Ferguson 1977",
        "manners: many interruptions are help, and raw counts mislead",
        needs_overlap=True,
    ),
    Definition(
        "interruptions_successful",
        SubjectKind.SPEAKER,
        "per minute",
        "interruptions after which the holder ended first and the person went on for 1 s / minutes of the "
        "others' speech",
        "turns, listeners set aside",
        "under 10 tentative; cooperative and competitive ones are not told apart",
        "Ferguson 1977",
        "dominance: many interruptions are help",
        needs_overlap=True,
    ),
    Definition(
        "interruptions_failed",
        SubjectKind.SPEAKER,
        "per minute",
        "interruptions in which the person stopped before the holder did / minutes of the others' speech",
        "turns, listeners set aside",
        "under 10 tentative; a short help is one too: cooperative and competitive ones are not told apart",
        "Ferguson 1977",
        "weakness: many of them are help",
        needs_overlap=True,
    ),
    Definition(
        "interruptions_silent",
        SubjectKind.SPEAKER,
        "per minute",
        "times the person came in within 1 s, without overlap, after words of somebody else that leave a "
        "clause open (broken off, a dash, an ellipsis, a comma, a word such as “the”) / minutes of the "
        "others' speech; not among interruptions_made",
        "turns, listeners set aside; words",
        "always tentative: of the changes after what people marked as interrupted or abandoned in the ICSI "
        "meetings last words tell three in ten, and of those that they tell six in ten were marked so; the "
        "words were chosen with these meetings in view",
        "Ferguson 1977; the words are this project's own",
        "manners: people also finish each other's sentences when one looks for a word",
        needs_acts=True,
    ),
    Definition(
        "interruptions_received",
        SubjectKind.SPEAKER,
        "per minute",
        "interruptions of the person's speech / minutes of it",
        "turns, listeners set aside",
        "under 10 tentative",
        "Ferguson 1977",
        "standing in the group",
        needs_overlap=True,
    ),
    Definition(
        "backchannels",
        SubjectKind.SPEAKER,
        "count",
        "stretches of the person of <= 1 s or <= 3 words, all in backchannel acts, that leave the floor to "
        "the one who had it",
        "turns, words, acts",
        "under 10 tentative; without acts length alone decides, and it is tentative",
        "Yngve 1970; Ward & Tsukahara 2000",
        "attention: people listen silently too",
        acts=(ActLabel.BACKCHANNEL,),
    ),
    Definition(
        "evenness",
        SubjectKind.MEETING,
        "index",
        "−Σ p ln p / ln N of the shares p of speaking time, N people with those who stayed silent",
        "turns, roster",
        SHORT,
        "Pielou 1966",
        NOT_A_GOAL,
        needs_count=True,
    ),
    Definition(
        "gini",
        SubjectKind.MEETING,
        "index",
        "Gini coefficient of speaking time times N / (N − 1), N people with those who stayed silent",
        "turns, roster",
        SHORT,
        "Gini 1912; Tausczik & Pennebaker 2013",
        NOT_A_GOAL,
        needs_count=True,
    ),
)


def figures(talk: Talk) -> Iterator[Measure]:
    """The measures of this module, those of silent people included."""
    yield from _time_and_turns(talk)
    yield from _longest_turns(talk)
    yield from _interruptions(talk)
    if talk.people > 1:
        yield from _backchannels(talk)
        yield _spread(talk, "evenness")
        yield _spread(talk, "gini")


def _time_and_turns(talk: Talk) -> Iterator[Measure]:
    n = talk.people
    stretches = part_of.counts(talk.floor.stretches.speaker, n)
    turns = part_of.counts(talk.floor.turns.speaker, n)
    spoken = talk.spoken_ms / 1000
    everyone, all_stretches, all_turns = float(spoken.sum()), int(stretches.sum()), int(turns.sum())
    own, shares = talk.bounds(talk.drawn_talk), talk.bounds(part_of.shares(talk.drawn_talk))
    enough = talk.enough()
    for i, label in enumerate(talk.labels):
        subject, time = Subject.of(label), float(spoken[i])
        yield made.graded("talk_time", subject, time, "s", int(stretches[i]), own[:, i], enough)
        share = made.graded(
            "talk_share", subject, time / everyone, "share", all_stretches, shares[:, i], enough
        )
        yield replace(share, part=time, whole=everyone)
        grade, why = sure.grade(int(turns[i]), "turns")
        yield made.count("turns", subject, int(turns[i]), (grade, why))
        part = made.event_share("turn_share", subject, int(turns[i]), all_turns, "turns")
        yield replace(part, grade=grade, reason=why)


def _longest_turns(talk: Talk) -> Iterator[Measure]:
    turns = talk.floor.turns
    for speaker, own in part_of.groups(turns.speaker, turns.end - turns.start).items():
        value, interval = sure.maximum(own / 1000)
        bounds = np.array([interval.low, interval.high])
        subject, grade = Subject.of(talk.labels[speaker]), sure.grade(len(own), "turns")
        yield made.graded("longest_turn", subject, value, "s", len(own), bounds, grade)


def _interruptions(talk: Talk) -> Iterator[Measure]:
    """Made per minute of others' talk, received per minute of own talk; raw counts mislead."""
    n, found = talk.people, talk.floor.interruptions
    attempts = part_of.counts(found.interrupter, n)
    successful = part_of.counts(found.interrupter[found.successful], n)
    failed = part_of.counts(found.interrupter[~found.successful], n)
    received = part_of.counts(found.holder, n)
    silent = _silent(talk)
    own = talk.spoken_ms / MS_A_MINUTE
    others = own.sum() - own
    noun = "interruptions"
    for i, label in enumerate(talk.labels):
        subject = Subject.of(label)
        if others[i] > 0:
            minutes = float(others[i])
            yield made.per_minute("interruptions_made", subject, int(attempts[i]), minutes, noun)
            yield made.per_minute("interruptions_successful", subject, int(successful[i]), minutes, noun)
            yield made.per_minute("interruptions_failed", subject, int(failed[i]), minutes, noun)
            if silent is not None:
                item = made.per_minute("interruptions_silent", subject, int(silent[i]), minutes, noun)
                yield replace(item, grade=Grade.TENTATIVE, reason=LAST_WORDS)
        if own[i] > 0 and n > 1:
            yield made.per_minute("interruptions_received", subject, int(received[i]), float(own[i]), noun)


def _silent(talk: Talk) -> Ints | None:
    """Silent interruptions of each person; None where no words tell them."""
    words = open_words(talk.told.language) if talk.judged and not talk.again else None
    if words is None:
        return None
    found = silent_interruptions(talk.floor.turns, talk.labels, talk.told.utterances, words)
    return part_of.counts(talk.floor.turns.speaker[1:][found], talk.people)


def _backchannels(talk: Talk) -> Iterator[Measure]:
    given = part_of.counts(talk.floor.stretches.speaker[talk.backchannel], talk.people)
    for label, n in zip(talk.labels, given, strict=True):
        grade = sure.grade(int(n)) if talk.judged else BY_LENGTH
        yield made.count("backchannels", Subject.of(label), int(n), grade)


def _spread(talk: Talk, name: str) -> Measure:
    formula = {"evenness": part_of.evenness, "gini": part_of.gini}[name]
    value = min(1.0, float(formula(talk.spoken_ms.astype(np.float64))))
    drawn = talk.bounds(formula(talk.drawn_talk))
    n = len(talk.floor.stretches)
    return made.graded(name, Subject(), value, "index", n, drawn, talk.enough(), most=1.0)

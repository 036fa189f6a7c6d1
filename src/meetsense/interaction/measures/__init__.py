"""The measures of one meeting: from turns, words and acts to figures that say how sure they are.

Each module here holds one family: its definitions, and the figures made from a meeting that was read once
(:class:`~meetsense.interaction.measures.talk.Talk`). This one puts them together and withholds what would
mislead. Time rates and overlap rest on the *talk*: from the first to the last speech; only the share of
silence is of the whole recording. Nobody is ranked and there is no score of a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from meetsense.interaction.cycles import no_cycles
from meetsense.interaction.doubt import NONE, Doubt
from meetsense.interaction.floor import segments
from meetsense.interaction.measures import (
    activities,
    decided,
    dynamics,
    flow,
    initiative,
    made,
    questions,
    roles,
    shares,
    shifts,
    uptake,
)
from meetsense.interaction.measures.definition import Definition
from meetsense.interaction.measures.doubted import with_doubt
from meetsense.interaction.measures.talk import Told, listen
from meetsense.values import (
    Act,
    DecisionChain,
    Grade,
    Measure,
    Subject,
    SubjectKind,
    Turn,
    Utterance,
)

FAMILIES = (flow, shares, dynamics, shifts, questions, initiative, uptake, decided, activities, roles)
"""Modules with ``DEFINITIONS`` and ``figures(talk)``."""
DEFINITIONS: dict[str, Definition] = {item.name: item for family in FAMILIES for item in family.DEFINITIONS}
"""Every measure by its name."""
BLIND = "the speaker engine does not see overlapping speech"
NAMES_NOBODY = "the transcript names nobody"
OF_NOBODY = frozenset({"silence_share", "lapses"})
"""What can be told without knowing who spoke."""
DOUBTED_WHEN_BLIND = frozenset({"gap_median", "backchannels"})
"""Made without overlap, but off when it isn't seen."""

__all__ = ["BLIND", "DEFINITIONS", "Definition", "measure"]


@no_cycles()
def measure(
    turns: tuple[Turn, ...],
    *,
    duration: float,
    labels: tuple[str, ...],
    utterances: Sequence[Utterance] = (),
    acts: Sequence[Act] = (),
    decisions: Sequence[DecisionChain] = (),
    roles: Mapping[str, str] | None = None,
    language: str | None = None,
    sees_overlap: bool,
    people: int | None,
    unnamed: str | None = None,
    doubt: Doubt = NONE,
) -> tuple[Measure, ...]:
    """Measure one meeting.

    ``duration`` is the recording's, in seconds. ``labels`` names everybody, those of the roster who
    stayed silent included; speakers of the turns that it lacks are added. ``roles`` are the formal
    ones of those labels that have one. ``language`` is the BCP 47 code of the words. ``people`` is the
    confirmed roster's count, or None: when it isn't the count of labels, every figure about persons
    is withheld. ``unnamed`` is the label of the words that name nobody, who may be several people: figures
    about it are withheld, and where there is no other voice, all but those of silence. An engine that
    doesn't see overlap has what hangs on overlap withheld. ``doubt`` is what the engines are expected to
    get wrong; it widens the intervals.
    """
    told = Told(utterances, acts, decisions, roles or {}, language)
    everybody = tuple(dict.fromkeys((*labels, *(turn.speaker for turn in turns))))
    pieces = segments(turns, everybody)
    if not len(pieces):
        measures = _nobody_spoke(everybody, duration, words=any(u.text.strip() for u in told.utterances))
    else:
        talk = listen(pieces, everybody, duration, told)
        figures = [item for family in FAMILIES for item in family.figures(talk)]
        measures = list(with_doubt(figures, talk, doubt, FAMILIES, DEFINITIONS))
        measures += _without_acts(everybody, told)
    if not sees_overlap:
        measures = [_without_overlap(item) for item in measures]
    if people is not None and people != len(everybody):
        reason = f"{len(everybody)} speakers were told apart, but the roster has {people} people"
        measures = [made.withheld(m, reason) if _about_people(m) else m for m in measures]
    if unnamed is not None:
        nobody = {turn.speaker for turn in turns} == {unnamed}
        measures = [_without_names(item, unnamed, nobody=nobody) for item in measures]
    return tuple(measures)


def _without_acts(labels: tuple[str, ...], told: Told) -> Iterator[Measure]:
    """What hangs on acts, withheld where there are none; pairs that can't be told have no entry."""
    if told.acts:
        return
    why = "acts are not available for this language" if told.utterances else "there are no words"
    for item in DEFINITIONS.values():
        if not item.needs_acts:
            continue
        if item.subject is SubjectKind.SPEAKER:
            yield from (made.absent(item.name, Subject.of(label), item.unit, why) for label in labels)
        elif item.subject is SubjectKind.MEETING:
            yield made.absent(item.name, Subject(), item.unit, why)


def _nobody_spoke(labels: tuple[str, ...], duration: float, *, words: bool) -> list[Measure]:
    """Figures without a turn; where there are words somebody did speak, and nothing is said of silence."""
    measures = []
    if words:
        why = "there are words, but nobody could tell who spoke when"
        measures.append(made.absent("silence_share", Subject(), "share", why))
    elif duration > 0:
        why = "no speech was found"
        silent = Measure("silence_share", Subject(), 1.0, "share", 0, 1.0, 1.0, Grade.TENTATIVE, why)
        measures.append(replace(silent, part=duration, whole=duration))
    for label in labels:
        subject, why = Subject.of(label), "nobody spoke"
        measures.append(Measure("talk_time", subject, 0.0, "s", 0, 0.0, 0.0, Grade.TENTATIVE, why))
        measures.append(made.absent("talk_share", subject, "share", why))
    return measures


def _about_people(item: Measure) -> bool:
    return item.subject.kind is not SubjectKind.MEETING or DEFINITIONS[item.name].needs_count


def _without_names(item: Measure, unnamed: str, *, nobody: bool) -> Measure:
    """A figure of a meeting in which words of a label, or with ``nobody`` all of them, name nobody."""
    if nobody and item.name not in OF_NOBODY:
        return made.withheld(item, NAMES_NOBODY)
    if unnamed in (item.subject.speaker, item.subject.other):
        return made.withheld(item, "the transcript does not say whose words these are")
    return item


def _without_overlap(item: Measure) -> Measure:
    if DEFINITIONS[item.name].needs_overlap:
        return made.withheld(item, BLIND)
    if item.name in DOUBTED_WHEN_BLIND and item.value is not None:
        return replace(item, grade=Grade.TENTATIVE, reason=BLIND)
    return item

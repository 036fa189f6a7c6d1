"""How talk is concentrated, and how that changes in the course of the meeting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction import dynamics
from meetsense.interaction import participation as part_of
from meetsense.interaction import uncertainty as sure
from meetsense.interaction.measures import made
from meetsense.interaction.measures.definition import NOT_A_GOAL, NOT_MERIT, SHORT, Definition
from meetsense.interaction.measures.talk import Talk
from meetsense.values import Grade, Measure, Subject, SubjectKind

CHANCE_LEAD = (Grade.TENTATIVE, "the lead may be chance: nobody can be said to have talked most")
WINDOWS = (
    f"windows of {dynamics.WINDOW_MS / 60_000:g} min, one every {dynamics.STEP_MS / 1000:.0f} s from the "
    "first speech on, those without speech left out"
)
FEW_WINDOWS = (
    "under 10 windows that don't overlap (25 min) tentative; the interval (Wilson) rests on as many windows "
    "as don't overlap"
)
SHARING = "ConvoKit's talk-time sharing (Chang et al. 2020), there for two groups"

DEFINITIONS = (
    Definition(
        "dominance_margin",
        SubjectKind.MEETING,
        "share",
        "the largest share of speaking time − the second largest",
        "turns, roster",
        "tentative unless the 95 % interval of the lead (30 s block bootstrap), and this interval with what "
        "the speaker engine is expected to get wrong, exclude 0: till then nobody can be said to have talked "
        "most; the interval begins at 0 when somebody else may be ahead; without a roster a voice that was "
        f"split may hide who talked most; {SHORT}",
        "this project's own: it has no standard formula",
        NOT_MERIT,
        needs_count=True,
    ),
    Definition(
        "effective_speakers",
        SubjectKind.MEETING,
        "people",
        "1 / Σ p² of the shares p of speaking time: so many people who talk alike would be as concentrated",
        "turns, roster",
        f"most of it is told by the one who talks most; {SHORT}",
        "Simpson 1949; Laakso & Taagepera 1979",
        NOT_A_GOAL,
        needs_count=True,
    ),
    Definition(
        "concentration",
        SubjectKind.MEETING,
        "index",
        "(Σ p² − 1/N) / (1 − 1/N) of the shares p of speaking time, N people with those who stayed silent",
        "turns, roster",
        f"most of it is told by the one who talks most; {SHORT}",
        "Herfindahl 1950; Hirschman 1964",
        NOT_A_GOAL,
        needs_count=True,
    ),
    Definition(
        "participation_gradient",
        SubjectKind.MEETING,
        "index",
        "the a of p_r ∝ a^(r − 1) that fits the shares p_1 >= p_2 >= … of speaking time best (maximum "
        "likelihood)",
        "turns, roster",
        f"only with four people or more; {SHORT}",
        "Stephan & Mishler 1952",
        "telling people apart: it falls with every group's size and form",
        needs_count=True,
    ),
    Definition(
        "dominated_windows",
        SubjectKind.MEETING,
        "share",
        f"windows in which one person has more than {dynamics.DOMINATED:g} of the talk / windows; {WINDOWS}",
        "turns",
        f"{FEW_WINDOWS}; at most .4 is ConvoKit's back-and-forth",
        SHARING,
        NOT_A_GOAL,
        needs_count=True,
    ),
    Definition(
        "alternating_windows",
        SubjectKind.MEETING,
        "share",
        f"windows dominated by anybody but the one who dominates most of them / windows; {WINDOWS}",
        "turns",
        f"{FEW_WINDOWS}; more than .25 is ConvoKit's alternating dominance; dominated_windows less this of "
        ".75 or more is dominance throughout",
        SHARING,
        NOT_A_GOAL,
        needs_count=True,
    ),
    Definition(
        "windows_dominated",
        SubjectKind.SPEAKER,
        "share",
        f"windows in which the person has more than {dynamics.DOMINATED:g} of the talk / windows; {WINDOWS}",
        "turns",
        f"{FEW_WINDOWS}; a report or a lecture is one",
        SHARING,
        NOT_MERIT,
    ),
)  # fmt: skip


def figures(talk: Talk) -> Iterator[Measure]:
    """The measures of this module, where there are two people or more."""
    if talk.people < 2:
        return
    yield _margin(talk)
    yield _of_talk(talk, "effective_speakers", "people", part_of.effective, float(talk.people))
    yield _of_talk(talk, "concentration", "index", part_of.concentration, 1.0)
    if talk.people >= 4:
        yield _of_talk(talk, "participation_gradient", "index", part_of.gradient, 1.0)
    yield from _windows(talk)


def top_talker(talk: Talk, people: int | None) -> str | None:
    """Label of whoever may be said to have talked most; None unless the interval of the lead excludes 0.

    ``people`` is the confirmed roster's count. Nobody is named without it, when it isn't the number of
    voices, or in a short talk: where who talked most is heard as two, nine names of ten would be wrong.
    """
    if people != talk.people or people < 2 or talk.enough()[0] is not Grade.FIRM:
        return None
    lead = dynamics.lead(talk.spoken_ms.astype(np.float64), talk.drawn_talk)
    known = np.isfinite(talk.bounds(talk.drawn_talk)).all()
    return talk.labels[lead.top] if lead.clear and known else None


def _margin(talk: Talk) -> Measure:
    lead = dynamics.lead(talk.spoken_ms.astype(np.float64), talk.drawn_talk)
    known = np.isfinite(talk.bounds(talk.drawn_talk)).all()
    bounds = np.array([lead.low, lead.high]) if known else np.full(2, np.nan)
    grade = talk.enough() if lead.clear else CHANCE_LEAD
    n = len(talk.floor.stretches)
    return made.graded("dominance_margin", Subject(), lead.margin, "share", n, bounds, grade, most=1.0)


def _of_talk(
    talk: Talk,
    name: str,
    unit: str,
    formula: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    most: float,
) -> Measure:
    value = min(most, float(formula(talk.spoken_ms.astype(np.float64)[None, :])[0]))
    drawn = talk.bounds(formula(talk.drawn_talk))
    n = len(talk.floor.stretches)
    return made.graded(name, Subject(), value, unit, n, drawn, talk.enough(), most=most)


def _windows(talk: Talk) -> Iterator[Measure]:
    found = dynamics.windows(talk.speech, talk.people)
    found = found[found.sum(axis=1) > 0]
    if not len(found):
        return
    who = dynamics.dominated(found)
    own = part_of.counts(who[who >= 0], talk.people)
    apart = -(-len(found) // (dynamics.WINDOW_MS // dynamics.STEP_MS))
    yield _window_share("dominated_windows", Subject(), int(own.sum()), len(found), apart)
    yield _window_share("alternating_windows", Subject(), int(own.sum() - own.max()), len(found), apart)
    for label, n in zip(talk.labels, own.tolist(), strict=True):
        yield _window_share("windows_dominated", Subject.of(label), n, len(found), apart)


def _window_share(name: str, subject: Subject, n: int, whole: int, apart: int) -> Measure:
    """A share of windows, ``apart`` of which don't overlap: the interval rests on these."""
    interval = sure.wilson(round(n / whole * apart), apart)
    bounds = np.array([interval.low, interval.high])
    grade = sure.grade(apart, "windows that don't overlap")
    item = made.graded(name, subject, n / whole, "share", whole, bounds, grade, most=1.0)
    return replace(item, part=float(n), whole=float(whole))

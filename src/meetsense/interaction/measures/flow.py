"""How the floor passes: overlap, silence, changes of speaker, and how long they take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction import participation as part_of
from meetsense.interaction import uncertainty as sure
from meetsense.interaction.dynamics import burstiness
from meetsense.interaction.floor import Ints, inside, overlap_between, overlapped, takes_floor
from meetsense.interaction.measures import made
from meetsense.interaction.measures.definition import Definition
from meetsense.interaction.measures.talk import MAX_CELLS, Talk
from meetsense.values import Measure, Subject, SubjectKind

NOT_PERSONALITY = "anybody's character or standing: it belongs to the meeting, and to its recording"
TURNS = "turns, listeners set aside"

DEFINITIONS = (
    Definition(
        "overlap_share",
        SubjectKind.MEETING,
        "share",
        "time in which at least two people speak / time in which anybody speaks",
        "turns",
        "under two minutes of speech tentative; the interval is a moving-block bootstrap",
        "Heldner & Edlund 2010",
        "judging manners: much overlap is agreement and listening",
        needs_overlap=True,
    ),
    Definition(
        "overlap_between",
        SubjectKind.MEETING,
        "share",
        "time in which at least two people speak, from the start of the next person's turn to the end of "
        "the turn before / time in which anybody speaks",
        TURNS,
        "under two minutes of speech tentative; the interval is a moving-block bootstrap",
        "Heldner & Edlund 2010",
        "judging manners: people come in early when they know how a turn will end",
        needs_overlap=True,
    ),
    Definition(
        "overlap_within",
        SubjectKind.MEETING,
        "share",
        "all other time in which at least two people speak, listening sounds among it / time in which "
        "anybody speaks; with overlap_between it is overlap_share",
        TURNS,
        "under two minutes of speech tentative; the interval is a moving-block bootstrap",
        "Heldner & Edlund 2010",
        "judging manners: much of it is listening",
        needs_overlap=True,
    ),
    Definition(
        "silence_share",
        SubjectKind.MEETING,
        "share",
        "time in which nobody speaks / length of the recording",
        "turns, length of the recording",
        "speech that was not found counts as silence",
        "this project's own",
        "how much a meeting achieved",
    ),
    Definition(
        "lapses",
        SubjectKind.MEETING,
        "per minute",
        "silences of everybody of at least 1 s between the first and the last speech / minutes between these",
        "turns",
        "fewer than 10 tentative; the threshold is this project's own",
        "after Jefferson 1989",
        "how well a meeting went: people think in lapses",
    ),
    Definition(
        "speaker_switches",
        SubjectKind.MEETING,
        "per minute",
        "turns that follow somebody else's turn / minutes from the first to the last speech (interactivity)",
        TURNS,
        "fewer than 10 tentative",
        "this project's own; the turns are those of the floor transfer offset",
        "comparing meetings of different size or purpose",
    ),
    Definition(
        "turn_taking_index",
        SubjectKind.MEETING,
        "share",
        "(turns − 1) / (stretches of speech that take the floor − 1): 1 when every stretch is somebody "
        "else's",
        TURNS,
        "fewer than 10 stretches tentative; stretches end at 0.2 s of own silence, whatever a recogniser's "
        "segments are, but how well such silences are heard differs between engines",
        "after the turn-taking index of the team communication toolkit (Hu et al. 2024), there over "
        "utterances",
        "comparing meetings that were recorded or analysed in different ways",
    ),
    Definition(
        "burstiness",
        SubjectKind.MEETING,
        "index",
        "(σ − μ) / (σ + μ) of the times from one turn's start to the next's: −1 regular, 0 as by chance, "
        "towards 1 in bursts",
        TURNS,
        "fewer than 10 turns tentative; the interval is that of σ / μ by the delta method",
        "Goh & Barabási 2008",
        "how lively a meeting was",
    ),
    Definition(
        "floor_transfer_offset",
        SubjectKind.MEETING,
        "ms",
        "median of start(next turn) − end(turn before) over all changes of speaker; below 0 an overlap",
        TURNS,
        "fewer than 10 changes tentative; not normal, hence a median with an order-statistics interval",
        "Heldner & Edlund 2010; Levinson & Torreira 2015",
        NOT_PERSONALITY,
        needs_overlap=True,
    ),
    Definition(
        "overlapped_transitions",
        SubjectKind.MEETING,
        "share",
        "changes of speaker with an offset below 0 / changes of speaker",
        TURNS,
        "fewer than 10 changes tentative",
        "Heldner & Edlund 2010",
        NOT_PERSONALITY,
        needs_overlap=True,
    ),
    Definition(
        "gap_median",
        SubjectKind.MEETING,
        "ms",
        "median of the offsets above 0",
        TURNS,
        "fewer than 10 gaps, or an engine blind to overlap: tentative",
        "Heldner & Edlund 2010",
        NOT_PERSONALITY,
    ),
    Definition(
        "patience",
        SubjectKind.SPEAKER,
        "ms",
        "median offset of the changes to the person: how long they wait before they take the floor; below 0 "
        "they begin before the other has finished",
        TURNS,
        "fewer than 10 changes tentative",
        "Heldner & Edlund 2010",
        "manners or personality: offsets belong to the pair and the moment more than to the person",
        needs_overlap=True,
    ),
    Definition(
        "response_latency",
        SubjectKind.PAIR,
        "ms",
        "median offset of the changes from the first person to the second",
        TURNS,
        "only pairs with at least 10 changes",
        "Heldner & Edlund 2010",
        "personality or esteem: offsets belong to the pair and the moment more than to the person",
        needs_overlap=True,
    ),
)


def figures(talk: Talk) -> Iterator[Measure]:
    """The measures of this module."""
    offsets = talk.floor.transitions.offset
    yield _overlap_share(talk)
    yield from _overlaps(talk)
    yield _silence_share(talk)
    yield made.per_minute("lapses", Subject(), len(talk.floor.lapses), talk.minutes, "lapses")
    yield made.per_minute("speaker_switches", Subject(), len(offsets), talk.minutes, "switches")
    if len(offsets):
        over = int((offsets < 0).sum())
        yield made.median("floor_transfer_offset", Subject(), offsets, "transitions")
        yield made.event_share("overlapped_transitions", Subject(), over, len(offsets), "transitions")
    gaps = offsets[offsets > 0]
    if len(gaps):
        yield made.median("gap_median", Subject(), gaps, "gaps")
    yield from _order(talk)
    yield from _patience(talk)
    yield from _latencies(talk)


def _order(talk: Talk) -> Iterator[Measure]:
    """How turns follow each other, whoever takes them."""
    turns, floor = talk.floor.turns, talk.floor
    held = int(takes_floor(floor.stretches, floor.aside).sum())
    if held > 1:
        yield made.event_share("turn_taking_index", Subject(), len(turns) - 1, held - 1, "stretches")
    if len(turns) > 2 and turns.start[-1] > turns.start[0]:
        value, error = burstiness(turns.start)
        bounds = value + sure.Z95 * error * np.array([-1.0, 1.0])
        grade = sure.grade(len(turns), "turns")
        yield made.graded("burstiness", Subject(), value, "index", len(turns), bounds, grade, -1.0, 1.0)


def _patience(talk: Talk) -> Iterator[Measure]:
    passed = talk.floor.transitions
    for taker, offsets in part_of.groups(passed.taker, passed.offset).items():
        yield made.median("patience", Subject.of(talk.labels[taker]), offsets, "transitions")


def _latencies(talk: Talk) -> Iterator[Measure]:
    passed = talk.floor.transitions
    pairs = part_of.groups(passed.giver * talk.people + passed.taker, passed.offset)
    for pair, offsets in pairs.items():
        giver, taker = divmod(pair, talk.people)
        if len(offsets) >= sure.FEW_EVENTS:
            subject = Subject.pair(talk.labels[giver], talk.labels[taker])
            yield made.median("response_latency", subject, offsets, "transitions")


def _overlap_share(talk: Talk) -> Measure:
    drawn = talk.bounds(talk.drawn[:, -1] / np.maximum(talk.drawn[:, -2], 1e-9))
    together = len(overlapped(talk.speech, 2))
    share = talk.together_ms / talk.anyone_ms
    item = made.graded("overlap_share", Subject(), share, "share", together, drawn, talk.enough(), most=1.0)
    return replace(item, part=talk.together_ms / 1000, whole=talk.anyone_ms / 1000)


def _overlaps(talk: Talk) -> Iterator[Measure]:
    """The two kinds of overlap, which add up to all of it."""
    pieces = overlap_between(talk.speech, talk.floor.turns)
    between, anyone = float(np.diff(pieces, axis=1).sum()) / 1000, talk.anyone_ms / 1000
    within = talk.together_ms / 1000 - between
    drawn = np.array([between]) if talk.again else _drawn(talk, pieces)
    late, aside = int((talk.floor.transitions.offset < 0).sum()), int(inside(talk.floor).sum())
    for name, seconds, again, n in (
        ("overlap_between", between, drawn, late),
        ("overlap_within", max(0.0, within), np.maximum(0.0, talk.drawn[:, -1] - drawn), aside),
    ):
        bounds = talk.bounds(again / np.maximum(talk.drawn[:, -2], 1e-9))
        item = made.graded(name, Subject(), seconds / anyone, "share", n, bounds, talk.enough(), most=1.0)
        yield replace(item, part=seconds, whole=anyone)


def _drawn(talk: Talk, pieces: Ints) -> NDArray[np.float64]:
    """Seconds of pieces of the talk in the replicates that its other seconds have: shape (replicates,)."""
    first, last = int(talk.speech.start.min()), int(talk.speech.end.max())
    edges = sure.bin_edges(first, last, MAX_CELLS // talk.people)
    return sure.replicates(sure.seconds_in_bins(pieces, edges)[:, None])[:, 0]


def _silence_share(talk: Talk) -> Measure:
    whole = talk.duration_ms / 1000
    silent = whole - talk.anyone_ms / 1000
    drawn = (whole - talk.bounds(talk.drawn[:, -2])[::-1]) / whole
    item = made.graded(
        "silence_share", Subject(), silent / whole, "share", len(talk.speech), drawn, talk.enough(), most=1.0
    )
    return replace(item, part=silent, whole=whole)

"""Initiative: who has control of the talk, begins things, brings up topics and proposes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from meetsense.interaction import participation as part_of
from meetsense.interaction import uncertainty as sure
from meetsense.interaction.control import ShiftKind
from meetsense.interaction.measures import made
from meetsense.interaction.measures.definition import Definition
from meetsense.interaction.measures.talk import MAX_CELLS, MS_A_MINUTE, Talk
from meetsense.interaction.measures.wordless import without_words
from meetsense.interaction.segments import segments_of
from meetsense.interaction.uptake import WINDOW_SECONDS, Exchange, Proposal, proposals_of
from meetsense.values import ActLabel, Grade, Measure, Subject, SubjectKind

SENSITIVITY = (10, 20, 40)
"""Windows in seconds at which the adoption of proposals is told."""
FEW_PROPOSALS = 5
BY_WORDS = "where topics begin is told by words alone, and often wrong by a turn or more"
NOT_LEADING = "who leads, or how well: it counts what was said and how others answered, not what came of it"
WALKER = "Walker & Whittaker 1990; more than two people, and prompts among them, are this project's own"
SHIFTS = "changes of the controller per minute from the first to the last speech"
HEARST = "Hearst 1997 (TextTiling); introduction and uptake are this project's own"
BRALEY = "Braley & Murray 2018 (proposal, agreement, confirmation); the window is this project's own"
ADOPTED = "somebody else's agreement or anybody's confirmation before a disagreement or the next proposal"

DEFINITIONS = (
    Definition(
        "initiative_share",
        SubjectKind.SPEAKER,
        "share",
        "initiatives of the person that others took up / all initiatives of the meeting. An initiative is "
        "a turn in which somebody takes control: tells, asks or proposes what answers nothing "
        "(control_share). It is taken up when within 20 s and 3 changes of speaker since it was last "
        "spoken of somebody else agrees, commits, confirms, gives credit, asks the others about it, "
        "answers its question, or speaks on with a third of its topic words; objecting takes nothing up. "
        "The rest to 1 is what nobody took up",
        "acts, words",
        "under 10 initiatives in the meeting tentative; those at the end, after which nobody else spoke, "
        "are left out; an answer is one utterance and belongs to one initiative",
        "Linell, Gustavsson & Juvonen 1988 (initiative and response); Walker & Whittaker 1990 (control); "
        "DeRue & Ashford 2010 (granting); chosen among some 35 variants and cues on 15 groups of the GAP "
        "corpus, and its rules refined with their r in view; no constant was fitted by search",
        NOT_LEADING,
        needs_acts=True,
    ),
    Definition(
        "control_share",
        SubjectKind.SPEAKER,
        "share",
        "time of utterances that leave control with the person / time of all that leave it with anybody. "
        "Proposals and directives give control to their speaker; questions unless they answer a question "
        "or command; statements unless they answer a question (the asked one's next turn, within 20 s) and "
        "commitments unless they answer a command; listening sounds, agreements and politeness leave it "
        "where it is",
        "acts, words, times of utterances",
        "under two minutes of speech tentative; the interval is a moving-block bootstrap",
        WALKER,
        NOT_LEADING,
        needs_acts=True,
    ),
    Definition(
        "initiative_shifts",
        SubjectKind.MEETING,
        "per minute",
        SHIFTS,
        "acts, words",
        "under 10 tentative",
        WALKER,
        "how well a meeting goes",
        needs_acts=True,
    ),
    *(
        Definition(
            f"{kind.value}_shifts",
            SubjectKind.MEETING,
            "per minute",
            f"{SHIFTS} after which {how}",
            "acts, words",
            "under 10 tentative",
            WALKER,
            "manners: an interruption of control is no overlapping speech, and much of it is lively talk",
            needs_acts=True,
        )
        for kind, how in (
            (ShiftKind.ABDICATION, "the controller's last words had been a prompt: control was given up"),
            (ShiftKind.SUMMARY, "the controller's last words had been a summary or a repetition"),
            (ShiftKind.INTERRUPTION, "the controller had done neither: control was taken"),
        )
    ),
    Definition(
        "topic_introductions",
        SubjectKind.SPEAKER,
        "count",
        "topic segments whose first utterance of at least 5 words, not a listener's, is the person's; a "
        "segment begins at a valley of lexical cohesion, one standard deviation deeper than the mean "
        "valley, or at a move of the agenda",
        "acts, words",
        "tentative always: an error of one turn about where a topic begins gives it to somebody else",
        HEARST,
        "who sets the agenda: the chair's job is to introduce topics",
        needs_acts=True,
    ),
    Definition(
        "topic_uptake",
        SubjectKind.SPEAKER,
        "share",
        "topics that the person introduced and others took up / topics that the person introduced. Taken up: "
        "somebody else speaks in it, and it lasts at least 60 s or has at least 2 other contributors",
        "acts, words",
        "tentative always, as topic_introductions; topics of the last 60 s that were not taken up are left "
        "out; withheld for who introduced none",
        HEARST,
        "agreement: a topic can be taken up by people who are against it",
        needs_acts=True,
    ),
    Definition(
        "proposals",
        SubjectKind.SPEAKER,
        "count",
        "utterances of the person that are proposals",
        "acts",
        "under 10 tentative",
        "Braley & Murray 2018",
        NOT_LEADING,
        needs_acts=True,
        acts=(ActLabel.PROPOSAL,),
    ),
    Definition(
        "proposal_rate",
        SubjectKind.SPEAKER,
        "per minute",
        "the person's proposals / minutes from the first to the last speech",
        "acts, turns",
        "under 10 proposals tentative",
        "Braley & Murray 2018",
        NOT_LEADING,
        needs_acts=True,
        acts=(ActLabel.PROPOSAL,),
    ),
    Definition(
        "proposal_rate_own",
        SubjectKind.SPEAKER,
        "per minute",
        "the person's proposals / minutes of the person's speech",
        "acts, turns",
        "under 10 proposals tentative",
        "Braley & Murray 2018",
        NOT_LEADING,
        needs_acts=True,
        acts=(ActLabel.PROPOSAL,),
    ),
    Definition(
        "proposals_adopted",
        SubjectKind.SPEAKER,
        "count",
        f"proposals of the person after which, within {WINDOW_SECONDS:.0f} s, came {ADOPTED}",
        "acts",
        "under 10 tentative",
        BRALEY,
        NOT_LEADING,
        needs_acts=True,
    ),
    Definition(
        "adoption_rate",
        SubjectKind.SPEAKER,
        "share",
        "(adopted + ½) / (proposed + 1) of the person's proposals: shrunk towards one half, since few are "
        "made. Its part and whole are what was adopted and proposed, which add up over meetings",
        "acts",
        f"under {FEW_PROPOSALS} proposals tentative, and where waiting 10 or 40 s instead of 20 s takes it "
        "out of its interval; withheld for who proposed nothing; tacit consent is not seen",
        BRALEY,
        "how good somebody's ideas are: power and talk time help proposals too",
        needs_acts=True,
    ),
    *(
        Definition(
            f"adopted_within_{seconds}s",
            SubjectKind.MEETING,
            "share",
            f"proposals after which, within {seconds} s, came {ADOPTED} / all proposals: shows how far "
            "adoption hangs on the window",
            "acts",
            "under 10 proposals tentative; tacit consent is not seen",
            BRALEY,
            "how decisive a meeting was",
            needs_acts=True,
        )
        for seconds in SENSITIVITY
    ),
)


def figures(talk: Talk) -> Iterator[Measure]:
    """The measures of this module; none without acts."""
    if not talk.judged:
        return
    exchange = talk.exchange
    if exchange is None:
        yield from without_words(talk.labels, DEFINITIONS)
        return
    yield from _initiatives(talk, exchange)
    yield from _control(talk, exchange)
    yield from _topics(talk, exchange)
    yield from _proposals(talk, proposals_of(exchange.moves))


def _initiatives(talk: Talk, exchange: Exchange) -> Iterator[Measure]:
    chances = [initiative for initiative in exchange.initiatives if initiative.answerable]
    taken = Counter(initiative.speaker for initiative in chances if initiative.grants)
    for i, label in enumerate(talk.labels):
        subject = Subject.of(label)
        if chances:
            yield made.event_share("initiative_share", subject, taken[i], len(chances), "initiatives")
        else:
            yield made.absent("initiative_share", subject, "share", "there was no initiative to take up")


def _control(talk: Talk, exchange: Exchange) -> Iterator[Measure]:
    shifts = exchange.control.shifts
    yield made.per_minute("initiative_shifts", Subject(), len(shifts), talk.minutes, "shifts")
    for kind in ShiftKind:
        n = sum(shift.kind is kind for shift in shifts)
        yield made.per_minute(f"{kind.value}_shifts", Subject(), n, talk.minutes, "shifts")
    yield from _control_shares(talk, exchange)


def _control_shares(talk: Talk, exchange: Exchange) -> Iterator[Measure]:
    rows = [
        (who, move.start, move.end)
        for who, move in zip(exchange.control.controller, exchange.moves, strict=True)
        if who >= 0
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    held = np.bincount(table[:, 0], table[:, 2] - table[:, 1], talk.people) / 1000
    whole = float(held.sum())
    if not whole:
        for label in talk.labels:
            yield made.absent("control_share", Subject.of(label), "share", "nobody took control")
        return
    first, last = int(talk.speech.start.min()), int(talk.speech.end.max())
    edges = sure.bin_edges(first, last, MAX_CELLS // talk.people)
    own = part_of.groups(table[:, 0], np.arange(len(table)))
    bins = np.zeros((len(edges) - 1, talk.people))
    for who, places in own.items():
        bins[:, who] = sure.seconds_in_bins(table[places, 1:], edges)
    bounds = talk.bounds(part_of.shares(sure.replicates(bins)))
    for i, label in enumerate(talk.labels):
        share = made.graded(
            "control_share", Subject.of(label), float(held[i]) / whole, "share", len(table), bounds[:, i],
            talk.enough(), most=1.0,
        )  # fmt: skip
        yield replace(share, part=float(held[i]), whole=whole)


def _topics(talk: Talk, exchange: Exchange) -> Iterator[Measure]:
    introduced: Counter[int] = Counter()
    chances: Counter[int] = Counter()
    taken: Counter[int] = Counter()
    for segment in segments_of(exchange.moves):
        if segment.introduced is None:
            continue
        who = segment.introduced.speaker
        introduced[who] += 1
        chances[who] += segment.taken_up or not segment.last
        taken[who] += segment.taken_up
    doubt = Grade.TENTATIVE, BY_WORDS
    for i, label in enumerate(talk.labels):
        subject = Subject.of(label)
        yield made.count("topic_introductions", subject, introduced[i], doubt)
        if chances[i]:
            share = made.event_share("topic_uptake", subject, taken[i], chances[i], "topics")
            yield share if share.grade is Grade.TENTATIVE else replace(share, grade=doubt[0], reason=doubt[1])
        else:
            yield made.absent("topic_uptake", subject, "share", "introduced no topic that could be taken up")


def _proposals(talk: Talk, proposals: Sequence[Proposal]) -> Iterator[Measure]:
    own: list[list[Proposal]] = [[] for _ in talk.labels]
    for proposal in proposals:
        own[proposal.speaker].append(proposal)
    for label, spoken, found in zip(talk.labels, talk.spoken_ms, own, strict=True):
        subject, n = Subject.of(label), len(found)
        adopted = sum(proposal.adopted() for proposal in found)
        yield made.count("proposals", subject, n, sure.grade(n, "proposals"))
        yield made.count("proposals_adopted", subject, adopted, sure.grade(adopted, "adopted proposals"))
        yield made.per_minute("proposal_rate", subject, n, talk.minutes, "proposals")
        if spoken:
            minutes = float(spoken) / MS_A_MINUTE
            yield made.per_minute("proposal_rate_own", subject, n, minutes, "proposals")
        yield _adoption(subject, found)
    for seconds in SENSITIVITY:
        name, within = f"adopted_within_{seconds}s", sum(p.adopted(seconds) for p in proposals)
        if proposals:
            yield made.event_share(name, Subject(), within, len(proposals), "proposals")
        else:
            yield made.absent(name, Subject(), "share", "nothing was proposed")


def _adoption(subject: Subject, own: Sequence[Proposal]) -> Measure:
    """The shrunk rate; its interval is Wilson's, which the shrunk rate never leaves."""
    n = len(own)
    if not n:
        return made.absent("adoption_rate", subject, "share", "proposed nothing")
    rates = {s: (sum(p.adopted(s) for p in own) + 0.5) / (n + 1) for s in (WINDOW_SECONDS, *SENSITIVITY)}
    adopted = sum(p.adopted() for p in own)
    interval = sure.wilson(adopted, n)
    value = rates[WINDOW_SECONDS]
    interval = sure.covering(interval.low, value, interval.high, most=1.0)
    grade = sure.grade(n, "proposals", FEW_PROPOSALS)
    if grade[0] is Grade.FIRM and not all(interval.low <= rate <= interval.high for rate in rates.values()):
        grade = Grade.TENTATIVE, "it hangs on how long one waits for an answer"
    return Measure(
        "adoption_rate", subject, value, "share", n, interval.low, interval.high, *grade,
        part=float(adopted), whole=float(n),
    )  # fmt: skip

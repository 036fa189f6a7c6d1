"""Meetings drawn from a known process: any length, the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from random import Random

from meetsense.values import ActLabel, Span, Turn, Utterance, Word, quantise

LABELS = ("S1", "S2", "S3", "S4", "S5", "S6")
TALKATIVE = (0.34, 0.24, 0.18, 0.12, 0.08, 0.04)
"""How often each of the people takes the floor when it is free, before it is shared among those there."""
KINDS = {
    "information": 0.52, "question": 0.12, "proposal": 0.07, "agreement": 0.12, "disagreement": 0.03,
    "confirmation": 0.02, "commitment": 0.04, "directive": 0.04, "floor": 0.04,
}  # fmt: skip
"""How often what takes the floor is each of these; listening sounds come on top."""
LISTENS = 0.15
"""Chance of a listening sound during somebody's utterance."""
GOES_ON = 0.25
"""Chance that the same person speaks on after a pause."""
OVERLAPS = 0.3
"""Share of the changes of speaker that begin before the holder has finished."""
TOPICS = (
    "budget", "roof", "printer", "garden", "market", "website", "letter", "kitchen", "survey", "parking",
    "schedule", "poster", "library", "museum", "bridge", "festival", "heating", "training", "contract",
    "stall", "bicycle", "camera", "workshop", "paint", "insurance", "window", "choir", "bakery", "harvest",
    "lift", "playground", "invoice", "projector", "newsletter", "fence", "piano", "ferry", "nursery",
    "storage", "timetable",
)  # fmt: skip
DETAILS = (
    "on Monday", "before the summer", "with the new supplier", "in the small room", "for the members",
    "without a permit", "next to the entrance", "by the end of the week", "at half the price", "after lunch",
)  # fmt: skip
SENTENCES = {
    "information": (
        "The {a} took longer than the {b} did last year {d}.",
        "We had forty people asking about the {a} {d}, and most of them also came for the {b}.",
        "It rained, so the {a} was moved {d}.",
        "The {a} costs about as much as the {b}.",
    ),
    "question": (
        "What happened to the {a} {d}?",
        "Do we know who looks after the {a}?",
        "How much is the {b} {d}?",
    ),
    "proposal": (
        "I suggest we move the {a} {d}.",
        "Let's do the {a} before the {b}.",
        "Maybe we could open the {a} {d}.",
    ),
    "agreement": ("Yes, good idea.", "I agree, the {a} is fine.", "Sounds good.", "Yeah, that works {d}."),
    "confirmation": ("So we move the {a} {d}, that is decided.", "All right, then the {a} is settled."),
    "disagreement": ("I don't think the {a} works {d}.", "No, that is too early for the {b}."),
    "commitment": ("I will write to them about the {a} {d}.", "I can take care of the {b}."),
    "directive": ("Please send me the {a} {d}.", "Could you call them about the {b}?"),
    "floor": ("So", "Well", "Um, so"),
}
SOUNDS = ("Mhm.", "Yeah.", "Okay.", "Right.", "Uh-huh.")


@dataclass(frozen=True, slots=True)
class Simulated:
    """A meeting as it really was."""

    turns: tuple[Turn, ...]
    """One an utterance."""
    utterances: tuple[Utterance, ...]
    labels: tuple[ActLabel, ...]
    """What each utterance does."""
    duration: float
    """Seconds."""


def simulate(utterances: int, seed: int, people: int = 4) -> Simulated:
    """A meeting of so many utterances by up to six people, its words timed.

    People take the floor in turn, by their talkativeness; listeners make sounds while somebody speaks.
    """
    rng = Random(seed)
    made: list[tuple[Utterance, ActLabel]] = []
    time, holder = 1.0, 0
    while len(made) < utterances:
        holder, time = _next(rng, people, holder, time)
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        said = _timed(rng, holder, time, _text(rng, kind))
        made.append((said, ActLabel(kind)))
        if people > 1 and rng.random() < LISTENS:
            listener = (holder + 1 + rng.randrange(people - 1)) % people
            at = time + said.span.duration * rng.uniform(0.2, 0.9)
            made.append((_timed(rng, listener, at, rng.choice(SOUNDS)), ActLabel.BACKCHANNEL))
        time = said.span.end
    made = sorted(made, key=lambda each: each[0].span.start)[:utterances]
    kept = tuple(replace(said, id=i) for i, (said, _) in enumerate(made))
    turns = tuple(Turn(said.span, said.speaker) for said in kept)
    return Simulated(turns, kept, tuple(label for _, label in made), max(t.span.end for t in turns) + 1.0)


def _next(rng: Random, people: int, holder: int, end: float) -> tuple[int, float]:
    """Who speaks next, and when: the same person after a pause, or another after a gap or an overlap."""
    if people == 1 or rng.random() < GOES_ON:
        return holder, end + rng.gammavariate(2.0, 0.25)
    others = [person for person in range(people) if person != holder]
    taker = rng.choices(others, [TALKATIVE[person] for person in others])[0]
    if rng.random() < OVERLAPS:
        return taker, max(0.0, end - min(1.5, rng.gammavariate(2.0, 0.2)))
    return taker, end + rng.gammavariate(1.5, 0.3)


def _text(rng: Random, kind: str) -> str:
    sentence = rng.choice(SENTENCES[kind])
    a, b = rng.sample(TOPICS, 2)
    return sentence.format(a=a, b=b, d=rng.choice(DETAILS))


def _timed(rng: Random, speaker: int, start: float, text: str) -> Utterance:
    """Words one after another, each about a quarter of a second."""
    spoken = text.split()
    steps = (rng.gammavariate(6.0, 0.045) for _ in spoken)
    times = [quantise(time) for time in accumulate(steps, initial=start)]
    words = tuple(
        Word(Span(begin, end), word, round(rng.uniform(0.7, 1.0), 3))
        for begin, end, word in zip(times, times[1:], spoken, strict=False)
    )
    return Utterance(0, LABELS[speaker], Span(times[0], times[-1]), text, words)

"""The words of every report: what a measure is called, what it means, what acts, roles and grades are.

One place, so that the terminal, the page and the mail say the same thing. A name that is not here still
has a title, made from the name itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from meetsense.report.escape import clean
from meetsense.values import ActLabel, DecisionStatus, Grade, LedgerRole


@dataclass(frozen=True, slots=True)
class Term:
    """A measure in plain words."""

    title: str
    meaning: str
    """One sentence, or empty where nothing is known but the name."""
    events: str = "events"
    """What ``n`` counts."""


SPEECH = "stretches of speech"
CHANGES = "changes of speaker"

MEASURES = {
    "talk_share": Term(
        "Share of speaking time",
        "The part of all speaking time that is this person's; where people overlap, each one's time counts.",
        f"{SPEECH}, everybody's",
    ),
    "talk_time": Term("Speaking time", "How long this person spoke, overlap included.", SPEECH),
    "turns": Term(
        "Turns",
        "How often this person held the floor; listening sounds such as “mhm” are no turns.",
        "turns",
    ),
    "turn_share": Term("Share of turns", "The part of all turns that this person had.", "turns, everybody's"),
    "longest_turn": Term(
        "Longest turn",
        "The longest time this person held the floor in one go, own pauses included.",
        "turns",
    ),
    "interruptions_made": Term(
        "Interruptions made",
        "Times this person began at least 0.2 s before somebody else had finished, per minute of the others' "
        "speech. It does not say whether that was welcome.",
        "interruptions",
    ),
    "interruptions_successful": Term(
        "Interruptions that took the floor",
        "Interruptions made after which the other person stopped and this one went on for a second or more, "
        "per minute of the others' speech.",
        "interruptions",
    ),
    "interruptions_received": Term(
        "Interruptions received",
        "Times somebody began at least 0.2 s before this person had finished, per minute of this person's "
        "speech.",
        "interruptions",
    ),
    "backchannels": Term(
        "Listening sounds",
        "Short sounds and words such as “mhm” that leave the floor with the one who speaks.",
        "listening sounds",
    ),
    "questions": Term("Questions", "Utterances of this person that were read as questions.", "questions"),
    "question_rate": Term(
        "Questions per minute", "Questions per minute of this person's own speech.", "questions"
    ),
    "response_latency": Term(
        "Time until the next person starts",
        "Median time from the end of the first person's turn to the start of the second's; below 0 the "
        "second began before the first had finished. Only pairs with ten changes or more.",
        CHANGES,
    ),
    "overlap_share": Term(
        "Overlapping speech",
        "The part of the time with speech in which two or more people spoke at once.",
        "overlaps",
    ),
    "silence_share": Term("Silence", "The part of the whole recording in which nobody spoke.", SPEECH),
    "lapses": Term(
        "Long silences",
        "Silences of one second or more, per minute between the first and the last speech.",
        "long silences",
    ),
    "speaker_switches": Term(
        "Changes of speaker", "How often the floor passed to another person, per minute.", CHANGES
    ),
    "floor_transfer_offset": Term(
        "Time between two people's turns",
        "Median time from the end of one person's turn to the start of the next person's; below 0 the next "
        "one began early.",
        CHANGES,
    ),
    "overlapped_transitions": Term(
        "Changes that overlap",
        "The part of all changes of speaker in which the next person began before the other had finished.",
        CHANGES,
    ),
    "gap_median": Term(
        "Length of a gap",
        "Median silence between two people's turns, where there was one.",
        "gaps",
    ),
    "evenness": Term(
        "Evenness of speaking time",
        "1 when everybody spoke equally long, 0 when one person did all the talking (normalised entropy).",
        SPEECH,
    ),
    "gini": Term(
        "Unevenness of speaking time",
        "0 when everybody spoke equally long, 1 when one person did all the talking (Gini coefficient).",
        SPEECH,
    ),
}

GRADES = {
    Grade.FIRM: "enough events for the figure to be trusted within its interval",
    Grade.TENTATIVE: "few events or a doubtful input: read it as a hint; the reason stands beside it",
    Grade.WITHHELD: "the figure would mislead, so there is none; the reason stands in its place",
}

STATUSES = {
    DecisionStatus.ADOPTED: "somebody else agreed, or it was confirmed",
    DecisionStatus.AMENDED: "taken up in a changed form",
    DecisionStatus.REJECTED: "turned down",
    DecisionStatus.IGNORED: "nobody took it up",
    DecisionStatus.OPEN: "talked about, but no end was found",
}

ROLES = {
    LedgerRole.RAISED: "raised the issue",
    LedgerRole.PROPOSED: "made the proposal",
    LedgerRole.AMENDED: "changed the proposal",
    LedgerRole.OBJECTED: "spoke against it",
    LedgerRole.AGREED: "agreed",
    LedgerRole.CONFIRMED: "said that it is decided",
    LedgerRole.COMMITTED: "took on something that follows from it",
}

ACTS = {
    ActLabel.QUESTION: "asks for something to be known",
    ActLabel.PROPOSAL: "suggests what to do",
    ActLabel.AGREEMENT: "is for what was said",
    ActLabel.DISAGREEMENT: "is against what was said",
    ActLabel.CONFIRMATION: "says that something is decided",
    ActLabel.COMMITMENT: "takes on a task",
    ActLabel.DIRECTIVE: "asks somebody to do something",
    ActLabel.INFORMATION: "tells something",
    ActLabel.BACKCHANNEL: "shows that somebody listens",
    ActLabel.FLOOR: "takes or holds the floor, and says nothing yet",
    ActLabel.OTHER: "fits none of these",
}


def term(name: str) -> Term:
    """A measure's words, also of one that this table does not know.

    >>> term("topic_uptake_rate")
    Term(title='Topic uptake rate', meaning='', events='events')
    """
    known = MEASURES.get(name)
    if known:
        return known
    words = clean(name.replace("_", " ")) or "unnamed measure"
    return Term(words[0].upper() + words[1:], "")

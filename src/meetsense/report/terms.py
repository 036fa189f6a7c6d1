"""What each measure is called, what it means and what its ``n`` counts.

A name that is not here still has a title, made from the name itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from meetsense.report.escape import clean


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
    "interruptions_failed": Term(
        "Interruptions that did not take the floor",
        "Interruptions made after which this person stopped before the other did, per minute of the others' "
        "speech. Many of them are help.",
        "interruptions",
    ),
    "interruptions_silent": Term(
        "Coming in on an unfinished sentence",
        "Times this person began in a silence under a second after words of somebody else that leave a "
        "sentence open, per minute of the others' speech. Read from last words, which show few of them.",
        "silent interruptions",
    ),
    "overlap_between": Term(
        "Overlap at changes of speaker",
        "The part of the time with speech in which the next person had begun and the one before had not "
        "finished.",
        "changes that overlap",
    ),
    "overlap_within": Term(
        "Overlap inside a turn",
        "The part of the time with speech in which others spoke without taking the floor, listening sounds "
        "among it.",
        "stretches inside others' speech",
    ),
    "patience": Term(
        "Wait before taking the floor",
        "Median time from the end of somebody else's turn to the start of this person's; below 0 this person "
        "began early.",
        CHANGES,
    ),
    "turn_taking_index": Term(
        "How often the next stretch is somebody else's",
        "Of all stretches of speech that take or keep the floor, the part that changes the speaker.",
        SPEECH,
    ),
    "burstiness": Term(
        "Burstiness of turns",
        "Whether turns begin at a steady pace (towards −1), as by chance (0) or in bursts (towards 1).",
        "turns",
    ),
    "dominance_margin": Term(
        "Distance between the two largest shares",
        "The largest share of speaking time less the second largest. Unless its interval stays clear of 0, "
        "nobody can be said to have talked most.",
        SPEECH,
    ),
    "effective_speakers": Term(
        "Effective speakers",
        "So many people who all talk alike would share the time as unevenly as it was shared here.",
        SPEECH,
    ),
    "concentration": Term(
        "Concentration of speaking time",
        "0 when everybody spoke equally long, 1 when one person did all the talking (Herfindahl-Hirschman "
        "index).",
        SPEECH,
    ),
    "participation_gradient": Term(
        "Fall of speaking time",
        "From each person to the one with the next smaller share, speaking time falls to about this part; "
        "1 when all spoke equally long.",
        SPEECH,
    ),
    "dominated_windows": Term(
        "Stretches of the meeting with one main speaker",
        "The part of all windows of 2.5 minutes in which somebody had more than 60 % of the talk.",
        "windows",
    ),
    "alternating_windows": Term(
        "Stretches with another main speaker",
        "The part of all windows of 2.5 minutes in which somebody had more than 60 % of the talk who isn't "
        "the one with most such windows.",
        "windows",
    ),
    "windows_dominated": Term(
        "Stretches as the main speaker",
        "The part of all windows of 2.5 minutes in which this person had more than 60 % of the talk; a "
        "report is one.",
        "windows",
    ),
    "transition_share": Term(
        "Who speaks next",
        "The part of the first person's turns that were followed by the second person.",
        CHANGES,
    ),
    "transition_z": Term(
        "Who speaks next, against chance",
        "How far that is above (or below 0: under) what a random order of the same turns would give, in "
        "standard deviations; an interval that holds 0 is no more than chance.",
        CHANGES,
    ),
    "floor_returns": Term(
        "Turns that go back",
        "Of three turns in a row, the part in which the third is the first person's again.",
        "turns",
    ),
    "floor_return_z": Term(
        "Turns that go back, against chance",
        "How far that is above (or below 0: under) what a random order of the same turns would give, in "
        "standard deviations; an interval that holds 0 is no more than chance.",
        "turns",
    ),
    "return_propensity": Term(
        "Going back to this person",
        "How often this person spoke again after one turn of somebody else, over what a random order of the "
        "same turns would give.",
        "returns",
    ),
    "entry_propensity": Term(
        "Joining in after two others",
        "How often this person spoke after two others, over what a random order of the same turns would "
        "give.",
        "entries",
    ),
    "turn_reciprocity": Term(
        "Mutual turns",
        "How far people follow each other equally often; high by itself, so see it against chance.",
        CHANGES,
    ),
    "turn_reciprocity_z": Term(
        "Mutual turns, against chance",
        "How far that is above (or below 0: under) what a random order of the same turns would give, in "
        "standard deviations; an interval that holds 0 is no more than chance.",
        CHANGES,
    ),
    "initiative_share": Term(
        "Initiatives that were taken up",
        "The part of all initiatives of the meeting that were this person's and that others took up: "
        "agreed to, answered, carried on. What nobody took up is missing from everybody's part.",
        "initiatives, everybody's",
    ),
    "control_share": Term(
        "Control of the talk",
        "The part of the time in which the talk followed what this person had said, asked or proposed; "
        "whoever only answers leaves control with the one who asked.",
        "utterances, everybody's",
    ),
    "initiative_shifts": Term(
        "Changes of control",
        "How often control of the talk passed to another person, per minute.",
        "changes of control",
    ),
    "abdication_shifts": Term(
        "Control given up",
        "Changes of control after the one before had only listened or agreed, per minute.",
        "changes of control",
    ),
    "summary_shifts": Term(
        "Control passed on after a summary",
        "Changes of control after the one before had summed up or repeated something, per minute.",
        "changes of control",
    ),
    "interruption_shifts": Term(
        "Control taken",
        "Changes of control that the one before had not prepared, per minute. It does not mean that they "
        "spoke at once.",
        "changes of control",
    ),
    "topic_introductions": Term(
        "Topics brought up",
        "How often a new topic began with this person's words.",
        "topics",
    ),
    "topic_uptake": Term(
        "Topics that were taken up",
        "The part of this person's topics that others stayed with: for a minute, or two of them at least.",
        "topics",
    ),
    "proposals": Term("Proposals", "Utterances of this person that were read as proposals.", "proposals"),
    "proposal_rate": Term(
        "Proposals per minute", "This person's proposals per minute of the meeting.", "proposals"
    ),
    "proposal_rate_own": Term(
        "Proposals per minute of own speech",
        "This person's proposals per minute of this person's own speech.",
        "proposals",
    ),
    "proposals_adopted": Term(
        "Proposals adopted",
        "This person's proposals that somebody else agreed to, or that were confirmed, within 20 seconds.",
        "adopted proposals",
    ),
    "adoption_rate": Term(
        "Part of proposals adopted",
        "The part of this person's proposals that were adopted, drawn towards one half because there are "
        "few.",
        "proposals",
    ),
    "adopted_within_10s": Term(
        "Proposals adopted within 10 seconds",
        "The part of all proposals that were agreed to or confirmed within 10 seconds.",
        "proposals",
    ),
    "adopted_within_20s": Term(
        "Proposals adopted within 20 seconds",
        "The part of all proposals that were agreed to or confirmed within 20 seconds.",
        "proposals",
    ),
    "adopted_within_40s": Term(
        "Proposals adopted within 40 seconds",
        "The part of all proposals that were agreed to or confirmed within 40 seconds.",
        "proposals",
    ),
    "claims": Term(
        "Claims to lead",
        "Utterances of this person that say where to go: proposals, requests, moves of the agenda, "
        "summaries and confirmations, tasks given to somebody.",
        "claims",
    ),
    "claims_granted": Term(
        "Claims that somebody took up",
        "The part of this person's claims that at least one other person went along with.",
        "claims",
    ),
    "grants": Term(
        "Claims taken up",
        "How many of the second person's claims the first one went along with: agreed, committed, gave "
        "credit, carried on.",
        "claims taken up",
    ),
    "grant_rate": Term(
        "Part of the claims taken up",
        "The part of the second person's claims that the first one went along with.",
        "claims",
    ),
    "objections": Term(
        "Claims objected to",
        "How many of the second person's claims the first one disagreed with.",
        "objections",
    ),
    "uptake_density": Term(
        "Density of uptake",
        "The part of everybody's claims that each other person went along with, on average: 1 when everybody "
        "takes up everything, 0 when nobody takes up anything.",
        "claims",
    ),
    "uptake_centralisation": Term(
        "Centralisation of uptake",
        "0 when everybody's claims are taken up alike, 1 when only one person's claims are taken up.",
        "claims",
    ),
    "uptake_reciprocity": Term(
        "Mutual uptake",
        "The part of the pairs with any uptake in which both took up something from the other.",
        "pairs",
    ),
    "decisions_made": Term(
        "Decisions", "Decisions that were found: adopted, as proposed or in a changed form.", "decisions"
    ),
    "proposals_ignored": Term(
        "Proposals nobody answered",
        "Proposals on whose topic nobody else said anything, though others spoke.",
        "proposals nobody answered",
    ),
    "ideas_returned": Term(
        "Ideas that came back",
        "Proposals whose idea somebody else had proposed before without an answer.",
        "ideas that came back",
    ),
    "decision_latency": Term(
        "Time to a decision",
        "Median time from the question or problem that a decision answers to its last confirmation.",
        "decisions",
    ),
    "problem_focused_acts": Term(
        "Work on the matter",
        "Utterances of this person that ask, tell or propose something about the matter itself.",
        "utterances",
    ),
    "procedural_acts": Term(
        "Work on the way of working",
        "Utterances of this person that order the meeting: agenda and time, summaries, confirmations, who "
        "does what.",
        "utterances",
    ),
    "socio_emotional_acts": Term(
        "Answers to people",
        "Utterances of this person that answer to people: listening, agreeing, disagreeing, asking what "
        "others think, giving credit, thanking.",
        "utterances",
    ),
    "action_oriented_acts": Term(
        "Carrying things out",
        "Utterances of this person that take on or hand out what is to be done, or say by when.",
        "utterances",
    ),
    "co_production_ratio": Term(
        "Leadership from people without the role",
        "The part of all claims taken up that came from people whose role doesn't lead the meeting.",
        "claims taken up",
    ),
    "ratification_gap": Term(
        "Confirmed by the role, proposed by others",
        "The part of all decisions that somebody with a leading role confirmed and only others had proposed.",
        "decisions",
    ),
    "role_expected_acts": Term(
        "What the role is expected to do",
        "The part of all moves of the agenda, summaries, confirmations and tasks given that came from who "
        "has a leading role.",
        "acts",
    ),
    "role_other_acts": Term(
        "What the role isn't needed for",
        "The part of all proposals and requests that came from who has a leading role.",
        "acts",
    ),
    "grants_to_role": Term(
        "Going along with a leading role",
        "How often people without a leading role went along with a claim of somebody who has one, of the "
        "times they could have.",
        "opportunities",
    ),
    "grants_to_others": Term(
        "Going along with others",
        "How often people without a leading role went along with one another's claims, of the times they "
        "could have.",
        "opportunities",
    ),
    "objections_to_role": Term(
        "Objecting to a leading role",
        "How often people without a leading role disagreed with a claim of somebody who has one, of the "
        "times they could have.",
        "opportunities",
    ),
    "objections_to_others": Term(
        "Objecting to others",
        "How often people without a leading role disagreed with one another's claims, of the times they "
        "could have.",
        "opportunities",
    ),
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

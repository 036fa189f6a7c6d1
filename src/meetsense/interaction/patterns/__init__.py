"""Patterns over time: which act follows which, and what moves over meetings.

Pure functions over what :func:`record` keeps of each meeting. "Too few meetings" is an answer: a figure that
is withheld, with its reason, as a measure of one meeting is. Nobody is compared with anybody: figures of
people are drawn together so that few meetings claim less.
"""

from meetsense.interaction.patterns.change import Trend
from meetsense.interaction.patterns.over_meetings import trends
from meetsense.interaction.patterns.records import Context, Record, record
from meetsense.interaction.patterns.sequences import Following, followings
from meetsense.interaction.patterns.tracked import LEAST_EVENTS

__all__ = ["LEAST_EVENTS", "Context", "Following", "Record", "Trend", "followings", "record", "trends"]

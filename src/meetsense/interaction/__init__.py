"""The science: who holds the floor, what utterances do, how decisions come about between people.

Pure functions over values, no I/O. The unit is the act and its uptake between people, never a
score of a person.
"""

from meetsense.interaction.acts import acts_engine, label_acts
from meetsense.interaction.decisions import Windows, link_decisions
from meetsense.interaction.evidence import claims, initiatives
from meetsense.interaction.measures import measure

__all__ = ["Windows", "acts_engine", "claims", "initiatives", "label_acts", "link_decisions", "measure"]

"""Floor transfer offsets of the ICSI meetings against those known for these definitions.

Over 63 meetings, listeners told by the acts that people gave: median 160 ± 20 ms, 38 ± 1.5 % overlapped,
mode 100 to 200 ms, about 25,400 transitions. Over 75, from the catalogue of measures: 10 % and 90 % points
-610 and +1392, 15 % of 1 s or more. With acts that the program itself reads they may be a little further off.
"""

from __future__ import annotations

import numpy as np
import pytest

from meetsense.interaction import label_acts
from meetsense.interaction.backchannels import listening
from meetsense.interaction.floor import Ints, floor, merge, segments
from meetsense.values import Turn
from tests.interaction.icsi import DATA, MEETINGS, gold_offsets, utterances_of

needs_meetings = pytest.mark.skipif(not MEETINGS, reason=f"the ICSI meetings are not at {DATA}")


def mode(offsets: Ints) -> int:
    """Where the fullest bin of 100 ms begins."""
    counts, edges = np.histogram(offsets, np.arange(-3000, 3001, 100))
    return int(edges[counts.argmax()])


@needs_meetings
def test_offsets_with_the_acts_that_people_gave() -> None:
    offsets = np.concatenate([gold_offsets(path) for path in MEETINGS])
    low, middle, high = np.percentile(offsets, [10, 50, 90])
    assert len(MEETINGS) == 63
    assert len(offsets) == pytest.approx(25_400, rel=0.005)
    assert mode(offsets) == 100
    assert middle == pytest.approx(160, abs=20)
    assert (offsets < 0).mean() == pytest.approx(0.38, abs=0.015)
    assert low == pytest.approx(-610, abs=30)
    assert high == pytest.approx(1392, abs=30)
    assert (offsets >= 1000).mean() == pytest.approx(0.15, abs=0.01)


@needs_meetings
def test_offsets_with_the_acts_that_are_read() -> None:
    found = []
    for path in MEETINGS[::4]:
        talk = utterances_of(path)
        labels = tuple(dict.fromkeys(u.speaker for u in talk))
        stretches = merge(segments([Turn(word.span, u.speaker) for u in talk for word in u.words], labels))
        aside = listening(stretches, labels, talk, label_acts(talk, "en"))
        found.append(floor(stretches, aside).transitions.offset)
    offsets = np.concatenate(found)
    low, middle, high = np.percentile(offsets, [10, 50, 90])
    assert mode(offsets) == 100
    assert middle == pytest.approx(160, abs=40)
    assert (offsets < 0).mean() == pytest.approx(0.38, abs=0.03)
    assert low == pytest.approx(-610, abs=80)
    assert high == pytest.approx(1392, abs=200)

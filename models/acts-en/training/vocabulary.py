"""Which words and runs of words the network knows: frequent ones of many meetings and people, and no names.

Names are known by the first names of the packages ``names`` (United States census) and ``gender-guesser``;
words of these lists that English uses for other things are in ``ORDINARY``. What is in no English word list
(``english-words``: Webster 1913 and 1934), nor a form of a word there, is left out as well: it is mostly the
name of a place, a project or a product.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import gender_guesser.detector
import names
import numpy as np
from english_words import get_english_words_set

from meetsense.interaction.act_features import Ints, Spoken, Vocabulary, all_runs, vocabulary

MEETINGS = SPEAKERS = 10
"""A word is known when it was said in so many meetings and by so many people."""
RUN_COUNT, RUN_MEETINGS = 5, 4
"""A run of words is known when it was said so often and in so many meetings."""
COMMON = 2000
"""So often said, a word is known whatever the word lists say: "uh", "okay"."""
ORDINARY = frozenset(
    """
    the to you so in be okay do just on are one can oh see will an he here way go me my lot than take
    even done said five may long else run many tell fine his file general line side made per non nine am
    ago page soon guy job key free hope door fair hey sub save constant deep major bet chance ran ha ad
    due ear bin merge dot summer man hi floor miss edit night brain till boy sun love joke tea mine
    numbers uh trees german hoc
    """.split()  # noqa: SIM905
)
SPOKEN = frozenset("okay yeah uh um mhm yep nope hmm huh anymore oops nah ooo wow".split())  # noqa: SIM905
"""Words of talk that no word list has."""


def choose(meetings: Iterable[tuple[Sequence[str], Sequence[Spoken]]]) -> Vocabulary:
    """The vocabulary of meetings, each given as the speakers of its sentences and what they say."""
    taken = list(meetings)
    said_in, said_by = defaultdict[str, set[int]](set), defaultdict[str, set[str]](set)
    counts = Counter[str]()
    for number, (speakers, sentences) in enumerate(taken):
        for speaker, spoken in zip(speakers, sentences, strict=True):
            counts.update(spoken.words)
            for word in spoken.words:
                said_in[word].add(number)
                said_by[word].add(speaker)
    lists = Lists()
    words = sorted(
        word
        for word, count in counts.items()
        if len(said_in[word]) >= MEETINGS
        and len(said_by[word]) >= SPEAKERS
        and lists.ordinary(word, frequent=count >= COMMON)
    )
    draft = vocabulary(words, np.zeros(1, np.int64))
    return vocabulary(words, _runs([sentences for _, sentences in taken], draft))


def _runs(meetings: Sequence[Sequence[Spoken]], draft: Vocabulary) -> Ints:
    counts, spread = Counter[int](), Counter[int]()
    for sentences in meetings:
        _, keys = all_runs(sentences, draft)
        found, often = np.unique(keys, return_counts=True)
        spread.update(found.tolist())
        counts.update(dict(zip(found.tolist(), often.tolist(), strict=True)))
    kept = [key for key, count in counts.items() if count >= RUN_COUNT and spread[key] >= RUN_MEETINGS]
    return np.array(sorted(kept), dtype=np.int64)


class Lists:
    """Lists of names and of words."""

    def __init__(self) -> None:
        folder = Path(names.__file__).parent
        files = (folder / "dist.male.first", folder / "dist.female.first")
        self._first = {line.split()[0].lower() for file in files for line in file.read_text().splitlines()}
        self._names = gender_guesser.detector.Detector(case_sensitive=False)
        self._words = get_english_words_set(["web2", "gcide"], lower=False)

    def ordinary(self, word: str, *, frequent: bool) -> bool:
        """Whether it is a word of English and no name."""
        if word.endswith("-") or word[0].isdigit():
            return False
        if word in ORDINARY | SPOKEN:
            return True
        if word in self._first or self._names.get_gender(word) != "unknown":
            return False
        return frequent or "'" in word or "-" in word or self._listed(word)

    def _listed(self, word: str) -> bool:
        if word in self._words:
            return True
        forms = {"ies": ("y",), "ied": ("y",), "s": ("",), "es": ("",), "ed": ("", "e"), "d": ("",)}
        forms |= {"ing": ("", "e"), "ning": ("",), "ting": ("",), "er": ("", "e")}
        return any(
            word.endswith(ending) and any(word[: -len(ending)] + stem in self._words for stem in stems)
            for ending, stems in forms.items()
        )

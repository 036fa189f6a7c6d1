"""``meetsense patterns``: over meetings in a real database."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meetsense.store import Store
from meetsense.values import Act, ActLabel, Agreement, Analysis, Span, Utterance
from tests.cli.conftest import VTT, Call
from tests.interaction.histories import NAMES, analysis, drawn_shares, rate, share, talk_share

Keep = Callable[..., Path]


def weekly(meetings: int, *, rise: float = 0.0) -> list[Analysis]:
    """Meetings in which the shares of three named people and one nobody knows vary, and one may rise."""
    rng = np.random.default_rng(1)
    people = dict(zip("ABCD", (*NAMES[:3], None), strict=True))
    made = []
    for week, row in enumerate(drawn_shares(rng, meetings, 4, rise=rise).tolist()):
        measures = [talk_share(label, 2400 * own, 2400.0) for label, own in zip(people, row, strict=True)]
        measures.append(rate("lapses", None, int(rng.poisson(30)), 50.0))
        title = "Weekly" if week % 3 else "Review"
        made.append(analysis(week, measures, people, roles={"A": "chair"}, title=title))
    return made


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Put meetings into a database of their own."""

    def run(meetings: list[Analysis]) -> Path:
        path = tmp_path / "meetings.db"
        with Store(path) as store:
            for one in meetings:
                store.save(one)
        return path

    return run


def test_few_meetings_say_so(call: Call, keep: Keep) -> None:
    lines = call("patterns", "--db", keep(weekly(3))).stdout.splitlines()
    assert lines[0].startswith("3 meetings, 2026-01-0")
    claims = [line for line in lines if line.startswith("    ")]
    assert claims
    assert set(claims) == {"    trend withheld: 3 meetings; a trend needs 5"}
    assert [line for line in lines if line in (*NAMES, "D", "The team")] == ["The team", *NAMES[:3]]
    assert "  There are no acts: no words, or a language without acts." in lines


def test_meetings_of_one_day_name_it_once(call: Call, keep: Keep) -> None:
    day = weekly(1)[0].meeting.started_at.astimezone().strftime("%Y-%m-%d")
    assert call("patterns", "--db", keep(weekly(1))).stdout.splitlines()[0] == f"1 meeting, {day}"


def test_one_meeting_shows_no_pattern(call: Call, keep: Keep) -> None:
    one = weekly(1)
    text = call("patterns", "--db", keep(one)).stdout
    assert "Too early to tell: one meeting shows nothing over meetings. " in text
    assert f"meetsense show {one[0].meeting.id}" in text
    assert "Share of speaking time" not in text
    assert "95 %" not in text


def test_few_events_have_no_figure(call: Call, keep: Keep) -> None:
    adopted = [(1, 1), (2, 2)]
    few = [
        replace(one, measures=(*one.measures, share("adoption_rate", "A", *counts)))
        for one, counts in zip(weekly(2), adopted, strict=True)
    ]
    text = call("patterns", "--db", keep(few)).stdout
    ada = text[text.index("\nAda\n") :]
    assert "  Part of proposals adopted: too early to tell, n = 3 proposals, 2 meetings\n" in ada


def test_a_persons_adopted_proposals_are_drawn_as_in_a_meeting_of_its_own(call: Call, keep: Keep) -> None:
    counts = [(3, 4), (2, 2)]
    made = [
        replace(one, measures=(*one.measures, share("adoption_rate", "A", *found)))
        for one, found in zip(weekly(2), counts, strict=True)
    ]
    path = keep(made)
    trends = json.loads(call("patterns", "--json", "--db", path).stdout)["trends"]
    totals = {one["person"]: one["total"] for one in trends if one["name"] == "adoption_rate"}
    assert totals["Ada"]["value"] == pytest.approx(5.5 / 7)
    assert (totals["Ada"]["part"], totals["Ada"]["whole"]) == (5, 6)
    assert totals[None]["value"] == pytest.approx(5 / 6)
    assert "adopted: drawn towards one half" in call("patterns", "--db", path).stdout


def test_a_trend_is_told_with_what_it_rests_on(call: Call, keep: Keep) -> None:
    text = call("patterns", "--db", keep(weekly(14, rise=3.0))).stdout
    ada = text[text.index("\nAda\n") : text.index("\nBo\n")]
    assert "    rises: " in ada
    assert ", change +" in ada
    assert " points (+" in ada
    assert "Share of speaking time: " in ada
    assert "14 meetings" in ada
    assert "  - provisional: 14 meetings; 20 make it firm" in text
    assert "    no clear trend: " in text[: text.index("\nAda\n")]


def test_for_a_program(call: Call, keep: Keep) -> None:
    found = json.loads(call("patterns", "--json", "--db", keep(weekly(6))).stdout)
    assert found["meetings"] == [one.meeting.id for one in weekly(6)]
    assert {(one["name"], one["person"]) for one in found["trends"]} == {
        ("lapses", None),
        *(("talk_share", name) for name in NAMES[:3]),
    }
    for one in found["trends"]:
        assert one["change"]["grade"] == one["unpooled"]["grade"] == "tentative"
        assert one["change"]["low"] <= one["change"]["value"] <= one["change"]["high"]
        assert one["change"]["n"] == one["meetings"] == 6
        assert one["total"]["value"] == pytest.approx(one["total"]["part"] / one["total"]["whole"])
        assert one["p"] <= one["q"]
    assert len(found["following"]) == 11 * 11 + 11 * 10
    assert {one["strength"]["grade"] for one in found["following"]} == {"withheld"}


def test_since_a_day(call: Call, keep: Keep) -> None:
    path = keep(weekly(6))
    found = json.loads(call("patterns", "--json", "--since", "2026-01-26", "--db", path).stdout)
    assert found["meetings"] == [one.meeting.id for one in weekly(6)[3:]]
    assert call("patterns", "--since", "2027-01-01", "--db", path).stdout == "No meetings.\n"
    for wrong in (("--since", "soon"), ("--by", "weekday")):
        assert call("patterns", *wrong, "--db", path, code=2).stdout == ""


@pytest.mark.parametrize(
    ("by", "contexts"),
    [("role", ["chair", "not given"]), ("title", ["Review", "Weekly"]), ("chair", ["Ada"])],
)
def test_contexts_are_told_apart(call: Call, keep: Keep, by: str, contexts: list[str]) -> None:
    path = keep(weekly(7))
    found = json.loads(call("patterns", "--json", "--by", by, "--db", path).stdout)
    assert list(dict.fromkeys(one["context"] for one in found["trends"])) == contexts
    text = call("patterns", "--by", by, "--db", path).stdout
    assert f"Ada · {by}: {contexts[0]}\n" in text
    assert ("The team · " in text) == (by != "role")
    if by == "title":
        assert "trend withheld: 3 meetings; a trend needs 5" in text


def answered(week: int) -> Analysis:
    """A meeting of 240 utterances in which nearly every proposal is agreed to."""
    rng = np.random.default_rng(week)
    labels = [ActLabel.INFORMATION, ActLabel.PROPOSAL, ActLabel.AGREEMENT, ActLabel.QUESTION]
    acts = rng.choice(4, 240, p=[0.5, 0.2, 0.15, 0.15]).tolist()
    for i in range(1, 240):
        if acts[i - 1] == 1 and rng.random() < 0.8:
            acts[i] = 2
    said = tuple(Utterance(i, "AB"[i % 2], Span(i, i + 1), "words") for i in range(240))
    plain = analysis(week, (), {"A": None, "B": None})
    return replace(plain, utterances=said, acts=tuple(Act(i, labels[a], 0.9) for i, a in enumerate(acts)))


def test_which_act_follows_which(call: Call, keep: Keep) -> None:
    text = call("patterns", "--db", keep([answered(0), answered(1)])).stdout
    lines = text[text.index("Which act follows which") :].splitlines()
    assert lines[1].startswith("  proposal → agreement by somebody else: more often than chance, ")
    assert "expected, z = " in lines[2]
    assert "Yule's Q 0." in lines[2]
    assert any("pairs of acts were tested" in line for line in lines)
    assert "Nobody is named in these meetings." in text


def test_the_strongest_pairs_are_printed(call: Call, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meetsense.cli.patterns.MOST", 1)
    path = keep([answered(0), answered(1), answered(2)])
    found = [
        p for p in json.loads(call("patterns", "--json", "--db", path).stdout)["following"] if p["found"]
    ]
    assert len(found) > 2
    text = call("patterns", "--db", path).stdout
    assert text.count("often than chance") == 1
    assert f"  {len(found) - 1} weaker ones: --json\n" in text


def test_a_person_who_withdraws_their_name_has_no_trend(call: Call, keep: Keep) -> None:
    path = keep(weekly(6))
    with Store(path) as store:
        store.state("Ada", Agreement.NAMED, False, "asked")
    found = json.loads(call("patterns", "--json", "--db", path).stdout)
    assert {one["person"] for one in found["trends"]} == {None, "Bo", "Cem"}
    assert "Ada" not in call("patterns", "--db", path).stdout


def test_meetings_that_were_analysed(call: Call, tmp_path: Path) -> None:
    """From transcripts and a roster, as a user has them."""
    roster = tmp_path / "roster.toml"
    people = [("Ada", "chair"), ("Bo", "member"), ("Cem", "member")]
    roster.write_text(
        "".join(f'[[people]]\nname = "{name}"\nrole = "{role}"\nlabel = "{name}"\n' for name, role in people)
    )
    for week in range(5):
        path = tmp_path / f"desk{week}.vtt"
        path.write_text(VTT.replace("00:14.000", f"00:{14 + week}.000"))
        call("analyze", path, "--roster", roster, "--started-at", f"2026-11-{3 + 5 * week:02}T09:00:00+00:00")
    found = json.loads(call("patterns", "--json", "--by", "role").stdout)
    shares = {(one["person"], one["context"]): one for one in found["trends"] if one["name"] == "talk_share"}
    assert set(shares) == {("Ada", "chair"), ("Bo", "member"), ("Cem", "member")}
    bo = shares["Bo", "member"]
    assert bo["meetings"] == 5
    assert bo["start"] < bo["end"]  # the last cue is Bo's, and grows
    assert sum(one["total"]["value"] for one in shares.values()) == pytest.approx(1.0)
    assert "Which act follows which" in call("patterns").stdout


def test_no_database_is_one_line(refused: Call, tmp_path: Path) -> None:
    assert "no database there yet" in str(refused("patterns", "--db", tmp_path / "none.db"))


def test_control_characters_of_titles_and_names_stay_out(call: Call, keep: Keep) -> None:
    meetings = [
        replace(one, speakers=tuple(replace(s, name=s.name and f"{s.name}\x1b[2J") for s in one.speakers))
        for one in weekly(5)
    ]
    titled = [replace(one, meeting=replace(one.meeting, title="T\x1b]0;x\x07")) for one in meetings]
    text = call("patterns", "--by", "title", "--db", keep(titled)).stdout
    assert "Ada" in text
    assert "\x1b" not in text
    assert "\x07" not in text

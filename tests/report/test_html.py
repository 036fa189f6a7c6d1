"""The page: everything is in it, everything from outside is text, nothing reaches out."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings

from meetsense import interaction
from meetsense.report.doubts import doubts, summed
from meetsense.report.escape import clean, clip
from meetsense.report.families import FAMILIES
from meetsense.report.html import page
from meetsense.report.ledger import QUOTE
from meetsense.report.people import people
from meetsense.report.terms import MEASURES, term
from meetsense.report.timeline import overview
from meetsense.values import Analysis, Grade, SubjectKind
from tests.report import samples
from tests.report.samples import Answered, Begun
from tests.strategies import analyses

MANY = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
SECRET = 987_654_321


def initiative() -> Analysis:
    """A meeting with every measure of initiative, activities and roles."""
    return samples.bound(samples.meeting(8))


def hostile_network() -> Analysis:
    """Names that would like to be more than names, in the network."""
    return samples.bound(samples.hostile())


SAMPLES = (
    samples.meeting,
    initiative,
    hostile_network,
    samples.silence,
    samples.without_words,
    samples.without_acts,
    samples.alone,
    samples.hostile,
    samples.crowd,
)
VOID = {"meta", "link", "br", "img", "input", "hr"}
Attributes = dict[str, str | None]


@dataclass
class Element:
    """One element of a page."""

    tag: str
    attributes: Attributes
    parent: Element | None
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside, spaces made single."""
        pieces = (child if isinstance(child, str) else child.text for child in self.children)
        return " ".join("".join(pieces).split())

    def all(self, tag: str = "", css: str = "") -> list[Element]:
        """Descendants of a tag and a class."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                classes = (child.attributes.get("class") or "").split()
                if (not tag or child.tag == tag) and (not css or css in classes):
                    found.append(child)
                found += child.all(tag, css)
        return found


class Tree(HTMLParser):
    """A page as elements; every tag must be closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = self.here = Element("", {}, None)
        self.feed(text)
        self.close()
        assert self.here is self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Go down, unless the element has no inside."""
        assert len(dict(attrs)) == len(attrs), attrs
        element = Element(tag, dict(attrs), self.here)
        self.here.children.append(element)
        if tag not in VOID:
            self.here = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Stay here."""
        self.here.children.append(Element(tag, dict(attrs), self.here))

    def handle_endtag(self, tag: str) -> None:
        """Go up."""
        assert self.here.tag == tag, (self.here.tag, tag)
        assert self.here.parent is not None
        self.here = self.here.parent

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.here.children.append(data)


def parsed(analysis: Analysis) -> Element:
    return Tree(page(analysis)).root


ALLOWED = """
html head meta link title style body a header h1 h2 h3 h4 p span bdi aside nav ul ol li main section div
figure figcaption details summary article q table caption thead tbody tr th td dl dt dd
svg rect path circle line text g
"""


def assert_harmless(root: Element) -> None:
    """No script, no handler, nothing that loads or leads anywhere else."""
    ids = [e.attributes["id"] for e in root.all() if "id" in e.attributes]
    assert len(set(ids)) == len(ids)
    for element in root.all():
        assert element.tag in ALLOWED.split()
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            assert name not in {
                "style",
                "src",
                "srcset",
                "srcdoc",
                "action",
                "formaction",
                "background",
                "ping",
            }
            if name in {"href", "xlink:href"}:
                assert value == "data:," or (value or "")[1:] in ids, value
            assert "://" not in (value or "") or name in {"aria-label", "lang"}
    assert len(root.all("style")) == 1


@MANY
@given(analyses())
def test_any_meeting_renders_harmlessly(analysis: Analysis) -> None:
    assert_harmless(parsed(analysis))


@MANY
@given(analyses())
def test_no_word_and_nobody_is_lost(analysis: Analysis) -> None:
    root = parsed(analysis)
    by_id = {e.attributes["id"]: e for e in root.all() if "id" in e.attributes}
    for said in analysis.utterances:
        line = by_id[f"u{said.id}"].all("span")[0]
        assert line.text.startswith(clean(said.text) or "…")
    glance = by_id["glance"].text
    for person in people(analysis):
        assert person.name in glance
        assert (person.role or "") in glance
    for note in filter(None, map(clean, analysis.notes)):
        assert note in [e.text for e in root.all("li")]
    assert root.all("h1")[0].text == (clean(analysis.meeting.title) or "Untitled meeting")
    said_by_id = {said.id: said for said in analysis.utterances}
    for chain in analysis.decisions:
        card = by_id[f"d{chain.id}"]
        assert clean(chain.topic) in card.text
        steps = card.all("ol", "ledger")[0].all("li") if chain.ledger else []
        for entry, step in zip(chain.ledger, steps, strict=True):
            assert step.text.split()[0] != ""
            assert str(entry.role) in step.text
            quote = clip(said_by_id[entry.utterance].text, QUOTE)
            assert [q.text for q in step.all("q")] == ([quote] if quote else [])
            assert step.all("a")[0].attributes["href"] == f"#u{entry.utterance}"


@MANY
@given(analyses())
def test_every_figure_has_its_interval_n_and_grade(analysis: Analysis) -> None:
    cells = [row.all("td") for row in parsed(analysis).all("tr") if row.all("td", "value")]
    shown = [m for m in analysis.measures if m.grade is not Grade.WITHHELD]
    assert len(cells) == len(shown)
    told = []
    for row in cells:
        value, interval, n, grade = (cell.text for cell in row[-4:])
        assert value
        assert interval
        told.append((int(re.findall(r"^n = (\d+)", n)[0]), grade.split()[1]))
    assert sorted(told) == sorted((m.n, str(m.grade)) for m in shown)


@MANY
@given(analyses())
def test_a_withheld_figure_has_no_number(analysis: Analysis) -> None:
    hidden = tuple(
        replace(m, n=SECRET, low=SECRET, high=SECRET, part=SECRET, whole=SECRET)
        if m.grade is Grade.WITHHELD
        else m
        for m in analysis.measures
    )
    talk = replace(analysis, measures=hidden)
    root = parsed(talk)
    assert str(SECRET) not in root.text
    (section,) = (e for e in root.all("section") if e.attributes["id"] == "doubts")
    for doubt in summed(doubts(hidden, people(talk), Grade.WITHHELD)):
        assert doubt.reason in section.text
        assert all(item.text in section.text for item in doubt.doubted)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.__name__)
def test_samples_are_harmless_and_well_built(sample: Callable[[], Analysis]) -> None:
    root = parsed(sample())
    assert_harmless(root)
    (html,) = root.all("html")
    assert html.attributes["lang"] == "en"
    assert [len(root.all(tag)) for tag in ("main", "nav", "h1", "title")] == [1, 1, 1, 1]
    levels = [int(e.tag[1]) for e in root.all() if re.fullmatch(r"h[1-6]", e.tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for table in root.all("table"):
        assert table.all("caption")
        assert all(cell.attributes.get("scope") for cell in table.all("th"))
    for svg in root.all("svg"):
        outer = svg.parent
        inside = False
        while outer is not None:
            inside, outer = inside or outer.tag == "svg" or "aria-hidden" in outer.attributes, outer.parent
        assert (
            inside
            or svg.attributes.get("aria-hidden")
            or (svg.attributes.get("role") and svg.attributes.get("aria-label"))
        )


def test_hostile_text_is_shown_as_it_is() -> None:
    talk = samples.hostile()
    text = parsed(talk).text
    assert "<script>alert(1)</script>" in text
    assert "{{ 7 * 7 }}{% raw %}" in text
    raw = page(talk)
    assert "<script" not in raw.lower()
    assert "<iframe" not in raw.lower()
    assert not set("\u202e\u2066\x1b\x07\x9b\x00\r") & set(raw)


def test_the_policy_names_the_style_sheet() -> None:
    root = parsed(samples.meeting())
    policy = next(
        e.attributes["content"]
        for e in root.all("meta")
        if e.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    (style,) = root.all("style")
    digest = base64.b64encode(hashlib.sha256("".join(map(str, style.children)).encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in "".join(map(str, style.children))
    assert "@import" not in "".join(map(str, style.children))


def test_people_stand_in_order_of_appearance_in_every_table() -> None:
    talk = samples.meeting(8)
    order = [person.name for person in people(talk)]
    measures = {m.name: m for m in talk.measures if m.subject.speaker}
    assert measures.keys() >= {"talk_share", "interruptions_made", "questions"}
    tables = [table for table in parsed(talk).all("table") if table.attributes.get("class") != "doubted"]
    assert len(tables) > 10
    for table in tables:
        names = [row.all("bdi")[0].text for row in table.all("tr") if row.all("bdi")]
        assert names == sorted(names, key=order.index)


def rows(talk: Analysis) -> list[list[str]]:
    """Whose figures each table of people has, in its order."""
    return [
        [row.all("th")[0].text for row in table.all("tr")[1:]]
        for table in parsed(talk).all("table")
        if table.attributes.get("class") in {None, "pairs"}
    ]


def test_nobody_is_ranked_whatever_the_figures() -> None:
    talk = initiative()
    turned = tuple(
        replace(m, value=1.0 - m.value, low=None, high=None) if m.value is not None else m
        for m in talk.measures
    )
    assert len(rows(talk)) > 15
    assert rows(replace(talk, measures=turned)) == rows(talk)
    assert rows(replace(talk, measures=talk.measures[::-1])) == rows(talk)


def test_families_stand_in_their_order_with_a_link_to_each() -> None:
    root = parsed(initiative())
    keys = [family.key for family in FAMILIES]
    sections = [str(e.attributes["id"]) for e in root.all("section")]
    assert [key for key in sections if key in keys] == keys
    assert sections.index("decisions") < sections.index(keys[0])
    links = [e.attributes["href"] for e in root.all("nav")[0].all("a")]
    assert links == [f"#{key}" for key in sections]


def test_a_reason_for_everybody_is_one_row() -> None:
    talk = samples.without_words()
    (section,) = (e for e in parsed(talk).all("section") if e.attributes["id"] == "doubts")
    for table in section.all("table"):
        reasons = [row.all("th")[0].text for row in table.all("tr") if row.all("td")]
        assert len(reasons) == len(set(reasons)) <= 5
    assert len([m for m in talk.measures if m.grade is Grade.WITHHELD]) > 20
    counts = [int(row.all("td")[0].text) for row in section.all("tr") if row.all("td")]
    doubted = [m for m in talk.measures if m.grade is not Grade.FIRM and m.reason]
    assert sum(counts) == len(doubted)


def test_the_uptake_network_can_be_read_without_seeing_it() -> None:
    talk = initiative()
    root = parsed(talk)
    (drawn,) = root.all("svg", "network")
    assert drawn.attributes["role"] == "img"
    label = drawn.attributes["aria-label"] or ""
    assert "Jonas takes up Mara's claims, 8 of 8" in label
    tables = {table.all("h3")[0].text: table for table in root.all("table") if table.all("h3")}
    pairs = [m for m in talk.measures if m.name == "grant_rate"]
    table = tables[term("grant_rate").title]
    assert len(table.all("td", "value")) == len(pairs) == 6
    assert "Jonas takes up Mara" in [row.all("th")[0].text for row in table.all("tr")]
    assert "8 of 8" in table.text
    assert term("objections").title in tables


def test_an_initiative_stands_with_those_who_took_it_up() -> None:
    root = parsed(initiative())
    own = {e.all("bdi")[0].text: e for e in root.all("details", "own")}
    assert list(own) == ["Mara", "Jonas", "S3"]
    shown = " ".join(item.text for item in own["Jonas"].all("li"))
    assert "00:28 proposed 3 (adopted) What if we stay open late on Thursdays?" in shown
    assert "Mara agreed 00:32, S3 agreed 00:36, Mara confirmed 00:40" in shown
    assert "nobody was found who took it up: S3 objected 00:20, Mara confirmed 00:24" in shown
    assert "95 % interval" in own["Mara"].all("summary")[0].text
    assert "directive 00:00" in own["Mara"].text


def test_the_initiatives_that_a_share_counts_are_listed_when_they_are_known() -> None:
    begun = [
        Begun("S2", (7,), (Answered("S1", 8, "agreement"), Answered("S3", 9, "something <new>"))),
        Begun("S2", (4,), (), (Answered("S3", 5, "objection"),)),
    ]
    root = Tree(page(initiative(), begun)).root
    assert_harmless(root)
    own = {e.all("bdi")[0].text: e for e in root.all("details", "own")}
    shown = own["Jonas"].text
    assert "1 taken up, 1 not" in shown
    assert "00:28 decision 3 What if we stay open late on Thursdays?" in shown
    assert "Mara agreed 00:32, S3 something <new> 00:36" in shown
    assert "Not taken up: 00:16 (S3 objected)." in shown


def test_the_initiatives_that_were_measured_are_what_the_page_lists() -> None:
    talk = samples.meeting(8)
    begun = interaction.initiatives(talk.utterances, talk.acts, language=talk.meeting.language)
    own = {e.all("bdi")[0].text: e for e in Tree(page(talk, begun)).root.all("details", "own")}
    names = {person.label: person.name for person in people(talk)}
    shares = [m for m in talk.measures if m.name == "initiative_share"]
    assert len(shares) == len(own) == 3
    assert sum(m.part or 0 for m in shares) > 0
    for m in shares:
        shown = own[names[str(m.subject.speaker)]]
        assert f"{m.part:.0f} taken up" in shown.all("summary")[0].text
        assert len(shown.all("li")) == m.part


def test_where_nobody_can_say_who_is_who_there_are_no_lists_of_people() -> None:
    talk = initiative()
    assert "Each initiative, and who took it up" in parsed(talk).text
    withheld = tuple(
        replace(m, value=None, low=None, high=None, grade=Grade.WITHHELD, reason="2 voices, 3 people")
        if m.subject.kind is not SubjectKind.MEETING
        else m
        for m in talk.measures
    )
    assert "Each initiative, and who took it up" not in parsed(replace(talk, measures=withheld)).text


def test_a_transcript_is_a_machines_only_where_a_machine_wrote_it() -> None:
    talk = samples.meeting()
    assert "Machine-made." in parsed(talk).text
    given = replace(talk, engines=replace(talk.engines, vad=None, diarizer=None, transcriber=None))
    assert "Machine-made" not in parsed(given).text
    assert "As the file that was read has it." in parsed(given).text


def test_the_axis_ends_before_its_label_is_cut() -> None:
    band = overview(samples.meeting(40), people(samples.meeting(40)))
    assert band.ticks
    assert max(tick.percent for tick in band.ticks) <= 86


def test_many_people_get_folded_tables_and_a_grid() -> None:
    root = parsed(samples.bound(samples.crowd(rounds=40)))
    assert len(root.all("svg", "network")) == 1
    assert not root.all("path", "way")
    folded = [e for e in root.all("details") if "open" not in e.attributes]
    inside = sum(len(e.all("td", "value")) for e in folded)
    assert inside > 0.95 * len(root.all("td", "value"))
    assert max(len(e.all("td", "chart")) for e in root.all("table")) > 300
    assert not [e for e in root.all("table") if len(e.all("tr")) > 100 and e.all("rect")]


def test_every_measure_is_explained() -> None:
    talk = samples.meeting(8)
    text = parsed(talk).text
    for m in talk.measures:
        assert MEASURES[m.name].title in text
        assert MEASURES[m.name].meaning in text or m.grade is Grade.WITHHELD


def test_a_measure_that_nobody_knows_is_shown() -> None:
    talk = samples.meeting(4)
    talk = replace(talk, measures=tuple(replace(m, name=f"new_{m.name}") for m in talk.measures))
    root = parsed(talk)
    for name in {m.name for m in talk.measures}:
        assert term(name).title in root.text
    assert len(root.all("td", "value")) == sum(m.value is not None for m in talk.measures)


def test_ledger_quotes_evidence_and_links_both_ways() -> None:
    root = parsed(samples.meeting())
    by_id = {e.attributes["id"]: e for e in root.all() if "id" in e.attributes}
    back = by_id["d2"]
    assert (
        "This idea comes back from 1: S3 had it first, and nobody took it up. Here Jonas proposed it."
        in back.text
    )
    assert "Nobody was found who raised the issue, changed the proposal or spoke against it." in back.text
    assert "comes back as 3" in by_id["d0"].text
    assert "00:28 Jonas proposed What if we stay open late on Thursdays?" in back.text
    assert by_id["u7"].text.endswith("proposed 3")
    assert by_id["u7"].all("a")[-1].attributes["href"] == "#d2"


def test_a_decision_stands_with_the_words_in_which_it_was_made() -> None:
    talk = samples.meeting()
    made = (*talk.decisions[:2], replace(talk.decisions[2], wording=10))
    root = parsed(replace(talk, decisions=made))
    by_id = {e.attributes["id"]: e for e in root.all() if "id" in e.attributes}
    told = "open late on Thursdays as confirmed: Then it's decided, Thursdays until eight."
    assert told in by_id["d2"].text
    assert root.text.count("as confirmed:") == 2, "at a glance and with the decision"


def test_timeline_says_its_figures_and_marks_decisions() -> None:
    root = parsed(samples.meeting(40))
    labels = [e.attributes["aria-label"] or "" for e in root.all("svg") if e.attributes.get("role") == "img"]
    mara = next(label for label in labels if label.startswith("Mara."))
    assert re.search(r"Share of speaking time: \d+ %, 95 % interval \d+ to \d+ %, n = \d+ .*, firm", mara)
    flags = [e for e in root.all("a") if "Decision" in (e.attributes.get("aria-label") or "")]
    assert {flag.attributes["href"] for flag in flags} == {"#d0", "#d1", "#d2"}
    assert any("At once" in e.text for e in root.all("div", "lane-row"))


def test_notes_come_before_everything_else() -> None:
    text = page(samples.without_words())
    assert text.index("Without words: there is no model.") < text.index("<nav")
    assert "Overlaps cannot be seen here" in text
    assert "No decisions can be found without words." in text


def test_long_transcripts_fold_except_where_evidence_is() -> None:
    root = parsed(samples.crowd())
    chunks = [e for e in root.all("details") if e.all("ol", "said")]
    assert len(chunks) == 37
    for chunk in chunks:
        evidence = [e for e in chunk.all("a") if (e.attributes.get("href") or "").startswith("#d")]
        assert not evidence or "open" in chunk.attributes
    assert sum("open" in chunk.attributes for chunk in chunks) < 5
    assert sum(len(chunk.all("p", "line")) for chunk in chunks) == len(samples.crowd().utterances)


def test_an_hour_stays_below_a_megabyte() -> None:
    talk = samples.meeting(75)
    assert talk.meeting.duration >= 3600
    assert len(page(talk).encode()) < 1_000_000


def test_the_language_of_the_words_is_marked() -> None:
    talk = samples.without_acts()
    assert all(e.attributes["lang"] == "fi" for e in parsed(talk).all("div", "lines"))
    assert "Acts and decisions are not available" in page(talk)
    assert "What the utterances do was not read." in page(talk)

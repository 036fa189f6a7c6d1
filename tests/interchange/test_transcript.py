"""Transcripts in: what is read, and the one line each fault gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetsense.errors import TranscriptError
from meetsense.interchange import UNKNOWN_SPEAKER, Transcript, is_transcript, read_transcript, transcript
from meetsense.values import Span

Write = Callable[[str, str | bytes], Path]

VTT = """WEBVTT Weekly stand-up
Language: en-GB

NOTE nobody --> reads this

1
00:00.000 --> 00:02.500 align:start
<v Ana>Shall we start &amp; vote?

00:00:02.000 --> 00:00:03.000
<v.loud Bo Berg>Yes,
let's.</v>

00:03.000 --> 00:03.000

01:00:00.001 --> 01:00:01.2
No voice <i>here</i>.

01:00:02.000 --> 01:00:03.000
<v Ana>Mine. <v Bo Berg>And mine.
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writer(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return writer


def segment(
    start: object = 0.0, end: object = 1.0, speaker: object = "A", words: object = "hi", **more: object
) -> dict[str, object]:
    return {
        "session_id": "m",
        "start_time": start,
        "end_time": end,
        "speaker": speaker,
        "words": words,
        **more,
    }


def test_webvtt_cues_in_file_order(write: Write) -> None:
    read = read_transcript(write("a.vtt", VTT))
    assert [(u.id, u.speaker, u.text) for u in read.utterances] == [
        (0, "Ana", "Shall we start & vote?"),
        (1, "Bo Berg", "Yes, let's."),
        (2, UNKNOWN_SPEAKER, ""),
        (3, UNKNOWN_SPEAKER, "No voice here."),
        (4, "Ana", "Mine. And mine."),
    ]
    assert [turn.span for turn in read.turns] == [u.span for u in read.utterances]
    assert read.turns[3].span == Span(3600.001, 3601.2)
    assert (read.duration, read.language, read.title, read.has_words) == (
        3603.0,
        "en-GB",
        "Weekly stand-up",
        True,
    )


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark_change_nothing(write: Write, newline: str) -> None:
    plain = read_transcript(write("a.vtt", VTT))
    other = read_transcript(write("b.VTT", b"\xef\xbb\xbf" + VTT.replace("\n", newline).encode()))
    assert other == plain


def test_seglst_keeps_order_labels_and_empty_words(write: Write) -> None:
    entries = [segment("12.34", "13", "P05", "two", channel=3), segment(1, 2.0004, " S 1 ", "")]
    read = read_transcript(write("a.json", json.dumps(entries)))
    assert [(u.id, u.speaker, u.span, u.text) for u in read.utterances] == [
        (0, "P05", Span(12.34, 13.0), "two"),
        (1, " S 1 ", Span(1.0, 2.0), ""),
    ]
    assert (read.title, read.duration) == ("m", 13.0)


def test_rttm_has_turns_and_no_words(write: Write) -> None:
    text = (
        "; note\nSPKR-INFO m 1 <NA> <NA> <NA> unknown B <NA>\n\nSPEAKER m 1 1.5 0.25 <NA> <NA> B <NA> <NA>\n"
    )
    read = read_transcript(write("a.rttm", text))
    assert read.utterances == ()
    assert not read.has_words
    assert [(turn.speaker, turn.span) for turn in read.turns] == [("B", Span(1.5, 1.75))]


@pytest.mark.parametrize(("name", "text"), [("a.vtt", "WEBVTT"), ("a.json", "[]"), ("a.rttm", "; none\n")])
def test_a_transcript_of_silence_is_empty(write: Write, name: str, text: str) -> None:
    read = read_transcript(write(name, text))
    assert read == Transcript(has_words=name != "a.rttm")


def test_a_lone_surrogate_becomes_a_replacement_character(write: Write) -> None:
    read = read_transcript(
        write("a.json", '[{"start_time":0,"end_time":1,"speaker":"A","words":"x\\ud83d"}]')
    )
    assert read.utterances[0].text == "x\ufffd"


def cue(times: str) -> str:
    return f"WEBVTT\n\n{times}\n<v A>hi\n"


MALFORMED = [
    ("empty.vtt", b"", "is empty"),
    ("blank.json", b" \n ", "is empty"),
    ("latin.vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\n<v A>caf\xe9\n", "line 4: not UTF-8"),
    ("wide.vtt", VTT.encode("utf-16"), "line 1: not UTF-8"),
    ("headless.vtt", "00:00.000 --> 00:01.000\nhi\n", "line 1: a WebVTT file starts with WEBVTT"),
    ("header.vtt", "WEBVTTX\n", "line 1"),
    ("reversed.vtt", cue("00:02.000 --> 00:01.000"), "line 3: ends at 1 s, before its start at 2 s"),
    ("comma.vtt", cue("00:00,000 --> 00:01,000"), "line 3: cue times"),
    ("negative.vtt", cue("-00:01.000 --> 00:01.000"), "line 3: cue times"),
    ("minutes.vtt", cue("00:61:00.000 --> 00:62:00.000"), "line 3: 00:61:00.000 is not a time"),
    ("far.vtt", cue("9999999999:00:00.000 --> 9999999999:00:01.000"), "line 3: the start time"),
    ("half.vtt", cue("00:01.000 -->"), "line 3: cue times"),
    ("arrow.vtt", cue("00:00.000 --> 00:01.000") + "a --> b\n", "line 5: cue times"),
    ("brace.json", "[{", "line 1: not JSON"),
    ("object.json", '{"a": 1}', "a JSON list of segments, not an object"),
    ("number.json", "3", "not a number"),
    ("text.json", '["x"]', "entry 0: a segment is an object, not text"),
    ("deep.json", "[" * 100_000, "not JSON"),
    ("digits.json", f'[{{"start_time": {"9" * 5000}}}]', "not JSON"),
    ("nan.json", json.dumps([segment(float("nan"))]), "entry 0: the start time is not a finite number"),
    ("inf.json", json.dumps([segment(0, float("inf"))]), "entry 0: the end time is not a finite number"),
    ("huge.json", json.dumps([segment(0, 10**400)]), "entry 0: 'end_time' is a number of seconds"),
    ("minus.json", json.dumps([segment(), segment(-1.0)]), "entry 1: the start time -1 s is negative"),
    ("back.json", json.dumps([segment(2.0)]), "entry 0: ends at 1 s, before its start at 2 s"),
    ("epoch.json", json.dumps([segment(1.7e9, 1.7e9 + 1)]), "entry 0: the start time 1.7e+09 s is over 24 h"),
    (
        "bool.json",
        json.dumps([segment(True)]),
        "entry 0: 'start_time' is a number of seconds, not true or false",
    ),
    ("word.json", json.dumps([segment("soon")]), "entry 0: 'start_time' is a number of seconds, not 'soon'"),
    ("null.json", json.dumps([segment(words=None)]), "entry 0: 'words' is text, not null"),
    ("speaker.json", json.dumps([segment(speaker=7)]), "entry 0: 'speaker' is text, not a number"),
    ("missing.json", json.dumps([{"start_time": 0}]), "entry 0: has no 'end_time'"),
    ("session.json", json.dumps([segment(session_id=["m"])]), "entry 0: 'session_id' is text, not a list"),
    ("sessions.json", json.dumps([segment(), segment(session_id="n")]), "holds 2 sessions"),
    ("few.rttm", "SPEAKER m 1 0.0 1.0 <NA>\n", "line 1: a SPEAKER line has at least 8 fields, not 6"),
    ("prose.rttm", "; x\nHello there\n", "line 2: 'Hello' is no type of RTTM line"),
    ("start.rttm", "SPEAKER m 1 x 1.0 <NA> <NA> A\n", "line 1: the start is a number of seconds, not 'x'"),
    ("nan.rttm", "SPEAKER m 1 nan 1.0 <NA> <NA> A\n", "line 1: the start time is not a finite number"),
    ("minus.rttm", "SPEAKER m 1 1 -1.0 <NA> <NA> A\n", "line 1: the duration -1 s is negative"),
    ("files.rttm", "SPEAKER m 1 1 1 <NA> <NA> A\nSPEAKER n 1 1 1 <NA> <NA> A\n", "holds 2 recordings"),
]


@pytest.mark.parametrize(("name", "content", "fault"), MALFORMED, ids=[case[0] for case in MALFORMED])
def test_each_fault_is_one_line_that_names_file_and_place(
    write: Write, name: str, content: str | bytes, fault: str
) -> None:
    with pytest.raises(TranscriptError) as caught:
        read_transcript(write(name, content))
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert fault in message
    assert "\n" not in message
    assert len(message) < 200


def test_paths_that_cannot_be_read(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dir.vtt").mkdir()
    with pytest.raises(TranscriptError, match=r"^dir\.vtt: is a directory"):
        read_transcript(tmp_path / "dir.vtt")
    with pytest.raises(TranscriptError, match=r"^gone\.vtt: no such file"):
        read_transcript(tmp_path / "gone.vtt")
    with pytest.raises(TranscriptError, match=r"^notes\.txt: not a transcript"):
        read_transcript(write("notes.txt", "hi"))
    with pytest.raises(TranscriptError, match="cannot be read"):
        read_transcript(tmp_path / "nul\0.vtt")
    monkeypatch.setattr(transcript, "MAX_BYTES", 10)
    with pytest.raises(TranscriptError, match=r"^big\.vtt: .*too large"):
        read_transcript(write("big.vtt", VTT))


def test_suffixes() -> None:
    assert all(is_transcript(Path(f"x{suffix}")) for suffix in (".vtt", ".VTT", ".Json", ".rttm"))
    assert not any(is_transcript(Path(f"x{suffix}")) for suffix in (".wav", "", ".vtt.gz"))


times = st.floats(0, 80_000, allow_nan=False)
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@given(st.lists(st.tuples(times, st.floats(0, 100), words, words), max_size=6))
def test_seglst_round_trips(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, float, str, str]]
) -> None:
    entries = [segment(start, start + length, speaker, text) for start, length, speaker, text in rows]
    path = tmp_path_factory.mktemp("seglst") / "a.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    read = read_transcript(path)
    assert [u.id for u in read.utterances] == list(range(len(rows)))
    assert [u.text for u in read.utterances] == [row[3] for row in rows]
    assert [u.speaker for u in read.utterances] == [
        row[2] if row[2].strip() else UNKNOWN_SPEAKER for row in rows
    ]
    assert all(
        abs(u.span.start - row[0]) <= 0.0005 + 1e-9 for u, row in zip(read.utterances, rows, strict=True)
    )


@given(
    st.sampled_from([".vtt", ".json", ".rttm"]),
    st.binary(max_size=120),
    st.sampled_from([b"", b"WEBVTT\n\n", b"[{", b"SPEAKER "]),
)
def test_any_bytes_give_a_transcript_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, tail: bytes, head: bytes
) -> None:
    path = tmp_path_factory.mktemp("bytes") / f"a{suffix}"
    path.write_bytes(head + tail)
    try:
        said = read_transcript(path).title or ""
    except TranscriptError as error:
        said = str(error)
    assert "\n" not in said


def test_vtt_text_outside_cues_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "talk.vtt"
    path.write_text("WEBVTT\n\n00:01.000 -> 00:02.000\nGood morning.\n")
    with pytest.raises(TranscriptError, match=r"talk\.vtt: line 3: text without cue times"):
        read_transcript(path)
    path.write_text("WEBVTT\n\nNOTE nothing\n\n1\n00:01.000 --> 00:02.000\nGood morning.\n")
    assert len(read_transcript(path).turns) == 1

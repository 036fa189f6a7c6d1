"""The folder alone tells what a recording is."""

from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.capture import ledger
from meetsense.capture.compress import compress
from meetsense.capture.folder import LEDGER, MANIFEST, Folder, Manifest, new_id, this_boot, unfinished
from meetsense.capture.recovery import recover
from meetsense.errors import CaptureError
from meetsense.values import Basis, BasisKind, Gap, GapKind, Recording, RecordingState, Segment
from tests.capture.ramp import BASIS, STARTED, begun, in_memory, ramp, recording, sound, written
from tests.strategies import names, texts

hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
counts = st.integers(0, 10**9)
bases = st.one_of(
    st.builds(Basis, st.just(BasisKind.CONSENT), st.lists(names, min_size=1, max_size=3).map(tuple)),
    st.builds(Basis, st.just(BasisKind.POLICY), st.lists(names, max_size=3).map(tuple), hashes),
)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=zones)
gaps = st.builds(Gap, st.sampled_from(GapKind), counts, counts)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    started_at = draw(moments)
    rate = draw(st.sampled_from([8000, 16_000, 48_000]))
    return Recording(new_id(started_at), draw(texts), draw(texts), started_at, draw(bases), rate)


def lines(folder: Folder) -> list[bytes]:
    return (folder.path / LEDGER).read_bytes().splitlines(keepends=True)


def test_only_its_owner_may_look(tmp_path: Path) -> None:
    folder = written(tmp_path / "recordings", 40_000)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()} == {0o600}


@settings(deadline=None)  # a disk takes its time
@given(recordings(), st.lists(gaps, max_size=5), texts, st.booleans())
def test_what_is_written_is_read(stated: Recording, missing: list[Gap], device: str, ended: bool) -> None:
    with in_memory() as root:
        folder = Folder.create(
            Path(root), stated, device=device, utc_offset=timedelta(hours=2), boot="b", boottime=12.5
        )
        for gap in missing:
            folder.append(gap)
        if ended:
            folder.end(stated.started_at + timedelta(hours=1), "stop")
        again = Folder(folder.path)
        found = again.read()
        assert again.manifest() == Manifest(stated, device, timedelta(hours=2), "b", 12.5)
        assert sorted(found.gaps, key=repr) == sorted(missing, key=repr)
        assert [gap.position for gap in found.gaps] == sorted(gap.position for gap in missing)
        assert found.state is (RecordingState.QUEUED if ended else RecordingState.RECORDING)
        assert found.started_at.tzinfo is UTC
        end = again.ledger().end
        assert (end is not None) == ended
        assert end is None or (end.at, end.why) == (stated.started_at + timedelta(hours=1), "stop")


@given(st.lists(st.binary(max_size=60), max_size=6), st.data())
def test_garbage_costs_no_line_but_its_own(garbage: list[bytes], data: st.DataObject) -> None:
    kept = [Gap(GapKind.PAUSE, 10 * i, i) for i in range(5)]
    mixed = [ledger.line_of(gap=ledger.shape_of(gap)).rstrip(b"\n") for gap in kept]
    for junk in garbage:
        mixed.insert(data.draw(st.integers(0, len(mixed))), junk)
    assert ledger.fold(b"\n".join(mixed)).gaps == kept


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = written(tmp_path_factory.mktemp("template"), 20_000, seconds=0.5)
    compress(folder, folder.read().segments[0])
    folder.append(Gap(GapKind.PAUSE, 7000, 100))
    return folder


@settings(deadline=None)
@given(
    st.sampled_from([MANIFEST, LEDGER]),
    st.sampled_from(["flip", "cut", "zero"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 7),
)
def test_no_damage_to_what_is_told_costs_sound(
    template: Folder, name: str, damage: str, where: float, bit: int
) -> None:
    """Whatever happens to a byte of manifest or ledger, each sample is there and no number changed."""
    with in_memory() as root:
        folder = Folder(Path(root) / template.id)
        shutil.copytree(template.path, folder.path)
        data = bytearray((folder.path / name).read_bytes())
        at = int(len(data) * where)
        if damage == "cut":
            del data[at:]
        else:
            data[at] = 0 if damage == "zero" else data[at] ^ (1 << bit)
        (folder.path / name).write_bytes(data)
        found = recover(folder)
        assert np.array_equal(sound(folder), ramp(0, 20_000))
        assert found.gaps in ((), (Gap(GapKind.PAUSE, 7000, 100),))
        assert replace(found, segments=(), gaps=()) == replace(template.read(), segments=(), gaps=())
        assert recover(folder) == found


@pytest.mark.parametrize(
    "line",
    [
        b"null",
        b"[]",
        b"7",
        b'"gap"',
        b"{}",
        b'{"gap": 1}',
        b'{"gap": {"kind": "pause", "position": -1, "samples": 5}}',
        b'{"gap": {"kind": "pause", "position": true, "samples": 5}}',
        b'{"gap": {"kind": "nap", "position": 1, "samples": 5}}',
        b'{"segment": {"index": 0, "file": "../../000000.wav", "samples": 1, "sha256": "'
        + b"0" * 64
        + b'"}}',
        b'{"segment": {"index": 0, "file": "000001.wav", "samples": 1, "sha256": "' + b"0" * 64 + b'"}}',
        b'{"segment": {"index": 0, "file": 3, "samples": 1, "sha256": "' + b"0" * 64 + b'"}}',
        b'{"segment": {"index": 0, "file": "000000.wav", "samples": 1.5, "sha256": "' + b"0" * 64 + b'"}}',
        b'{"end": "2026-11-24T09:00:00", "why": "no zone"}',
        b'{"begin": 3}',
        b"[" * 100_000,
        b"\0" * 512,
        b"\xff\xfe",
    ],
)
def test_a_line_that_makes_no_sense_is_passed_over(line: bytes) -> None:
    try:
        whole = json.dumps(ledger.signed(json.loads(line))).encode()
    except (TypeError, ValueError, RecursionError):
        whole = line
    told = ledger.fold(whole)
    assert told.unreadable == 1
    assert (told.begin, told.segments, told.gaps, told.end) == (None, {}, [], None)


def test_a_torn_line_does_not_take_the_next_one_with_it(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.append(Gap(GapKind.PAUSE, 0, 1))
    torn = (folder.path / LEDGER).read_bytes()[:-9]
    (folder.path / LEDGER).write_bytes(torn)
    folder.append(Gap(GapKind.PAUSE, 0, 2))
    assert folder.read().gaps == (Gap(GapKind.PAUSE, 0, 2),)


def test_a_line_that_a_full_disk_refused_goes_in_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begun(tmp_path)
    before = lines(folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full_after(5))
        with pytest.raises(CaptureError, match="no room on the disk; free some space"):
            folder.append(Gap(GapKind.PAUSE, 0, 1))
        assert lines(folder) == before  # not a part of it
        assert folder.read().gaps == (Gap(GapKind.PAUSE, 0, 1),)
    folder.append(Gap(GapKind.PAUSE, 0, 2))
    assert Folder(folder.path).read().gaps == (Gap(GapKind.PAUSE, 0, 1), Gap(GapKind.PAUSE, 0, 2))
    folder.flush()
    assert len(lines(folder)) == len(before) + 2


def full_after(count: int) -> object:
    """A pwrite that takes so many bytes, and then there is no room."""
    original, left = os.pwrite, count

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        nonlocal left
        if left == 0:
            raise OSError(28, "No space left on device")
        taken, left = min(left, len(data)), left - min(left, len(data))
        return original(descriptor, data[:taken], offset)

    return pwrite


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 300, b"[]", b'{"id": "x"}', None])
def test_the_ledger_has_a_second_copy_of_the_manifest(tmp_path: Path, damage: bytes | None) -> None:
    folder = written(tmp_path, 20_000)
    stated = folder.read()
    before = (folder.path / MANIFEST).read_bytes()
    (folder.path / MANIFEST).unlink()
    if damage is not None:
        (folder.path / MANIFEST).write_bytes(damage)
    assert Folder(folder.path).read() == stated
    assert recover(Folder(folder.path)) == stated
    assert (folder.path / MANIFEST).read_bytes() == before


def test_a_ledger_that_is_gone_is_made_again(tmp_path: Path) -> None:
    folder = written(tmp_path, 20_000)
    before = folder.read()
    (folder.path / LEDGER).write_bytes(b"\xff" * 100)
    assert recover(Folder(folder.path)) == before
    (folder.path / MANIFEST).unlink()
    assert Folder(folder.path).manifest().recording.basis == BASIS


def test_without_either_nobody_knows_whether_it_may_be_used(tmp_path: Path) -> None:
    folder = written(tmp_path, 20_000)
    (folder.path / MANIFEST).write_bytes(b"?")
    (folder.path / LEDGER).write_bytes(b"?")
    for look in (Folder(folder.path).read, lambda: recover(Folder(folder.path))):
        with pytest.raises(CaptureError, match=r"neither its recording\.json nor its ledger.jsonl says"):
            look()
    assert (folder.path / "000000.wav").exists()


@pytest.mark.parametrize("field", sorted(Manifest(recording()).fields()))
@pytest.mark.parametrize("value", [[], {"kind": "whim"}, "\0", -1, True])
def test_a_manifest_is_read_whole_or_not_at_all(tmp_path: Path, field: str, value: object) -> None:
    folder = begun(tmp_path)
    fields = folder.manifest().fields()
    (folder.path / LEDGER).write_bytes(b"")
    (folder.path / MANIFEST).write_text(json.dumps(ledger.signed(fields | {field: value})))
    try:
        found = Folder(folder.path).manifest()
    except CaptureError:
        return
    told = found.recording
    assert (type(told.id), type(told.title), type(told.room), type(told.rate)) == (str, str, str, int)
    assert (type(found.device), told.basis) == (str, BASIS)


def test_an_id_leads_nowhere_else_and_is_used_once(tmp_path: Path) -> None:
    for name in ("", ".", "..", "../x", "a/b", "a\n", "/x", "-x"):
        with pytest.raises(ValueError, match="an id is letters"):
            begun(tmp_path, name)
    begun(tmp_path)
    with pytest.raises(CaptureError, match="File exists"):
        begun(tmp_path)
    assert new_id(STARTED) != new_id(STARTED)
    assert new_id(STARTED).startswith("20261124T090000Z-")


def test_the_boot_clock_counts_within_a_boot_and_the_wall_clock_beyond() -> None:
    manifest = Manifest(recording(), boot="a", boottime=100.0)
    later = STARTED + timedelta(hours=1)
    assert manifest.elapsed("a", 107.5, later) == 7.5
    assert manifest.elapsed("b", 107.5, later) == 3600.0
    assert manifest.elapsed(None, 107.5, later) == 3600.0
    assert manifest.elapsed("b", 0.0, STARTED - timedelta(days=20_000)) == 0.0
    assert this_boot() == this_boot()


def test_unfinished_recordings_are_found_and_stillborn_ones_removed(tmp_path: Path) -> None:
    assert unfinished(tmp_path / "nowhere") == ()
    older, newer = begun(tmp_path, "20261124T080000Z-1"), begun(tmp_path, "20261124T090000Z-1")
    begun(tmp_path, "20261124T070000Z-1").end(STARTED, "stop")
    (tmp_path / "20261124T100000Z-1").mkdir()
    (tmp_path / "20261124T110000Z-1").mkdir()
    (tmp_path / "20261124T110000Z-1" / f"{MANIFEST}.new").write_bytes(b"{")
    (tmp_path / "20261124T120000Z-1").mkdir()
    (tmp_path / "20261124T120000Z-1" / "notes.txt").write_text("of a person")
    (tmp_path / "a file").write_text("")
    found = [folder.id for folder in unfinished(tmp_path)]
    assert found == [older.id, newer.id]
    assert (tmp_path / "20261124T120000Z-1" / "notes.txt").exists()
    assert not (tmp_path / "20261124T100000Z-1").exists()
    assert not (tmp_path / "20261124T110000Z-1").exists()


def test_a_folder_that_cannot_be_read_keeps_no_other_from_being_found(tmp_path: Path) -> None:
    bad, good = begun(tmp_path, "20261124T080000Z-1"), begun(tmp_path, "20261124T090000Z-1")
    (bad.path / LEDGER).unlink()
    (bad.path / LEDGER).mkdir()
    found = unfinished(tmp_path)
    assert [folder.id for folder in found] == [bad.id, good.id]
    with pytest.raises(CaptureError, match=r"ledger\.jsonl"):
        recover(found[0])
    recover(found[1])


@given(
    st.lists(gaps, max_size=6),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=4),
)
def test_cuts_take_time_from_the_audio_and_give_it_to_gaps(
    missing: list[Gap], cuts: list[tuple[int, int]]
) -> None:
    """Whatever is cut away, the recording lasts as long, and no gap lies outside of it."""
    data = b"".join(
        ledger.line_of(segment=ledger.shape_of(Segment(i, f"{i:06d}.wav", 100, "0" * 64))) for i in range(4)
    )
    small = [Gap(gap.kind, gap.position % 401, gap.samples % 50) for gap in missing]
    data += b"".join(ledger.line_of(gap=ledger.shape_of(gap)) for gap in small)
    lasted = 400 + sum(gap.missing for gap in small)
    for start, length in cuts:
        there = ledger.fold(data).samples
        start = min(start, there)
        length = min(length, there - start)
        data += ledger.line_of(cut=ledger.shape_of(Gap(GapKind.FORGOTTEN, start, length)))
        told = ledger.fold(data)
        assert told.samples == there - length
        assert told.samples + sum(gap.missing for gap in told.gaps) == lasted
        assert all(gap.position <= told.samples for gap in told.gaps)
        assert not {*told.segments} & told.dropped


@given(gaps, st.integers(0, 300), st.integers(0, 300))
def test_what_is_taken_away_moves_what_lies_behind(gap: Gap, start: int, length: int) -> None:
    gap = Gap(gap.kind, gap.position % 301, gap.samples % 300)
    kept = [sample for sample in range(700) if not start <= sample < start + length]
    silent = [sample for sample in kept if gap.position <= sample < gap.position + gap.samples]
    place = len([sample for sample in kept if sample < gap.position])
    expected = Gap(gap.kind, place, gap.samples if gap.missing else len(silent))
    assert ledger.without([gap], start, start + length) == [expected] * (
        not gap.samples or expected.samples > 0
    )


@given(st.integers(0, 500), st.lists(gaps, max_size=5), st.integers(0, 2000))
def test_going_back_in_time_goes_back_over_gaps(samples: int, missing: list[Gap], back: int) -> None:
    small = [Gap(gap.kind, gap.position % (samples + 1), gap.samples % 300) for gap in missing]
    position = ledger.position_before(samples, small, back)
    assert 0 <= position <= samples

    def wall_time_from(start: int) -> int:
        return samples - start + sum(gap.missing for gap in small if gap.position > start)

    assert wall_time_from(position) <= back
    if position:
        at = sum(gap.missing for gap in small if gap.position == position)
        assert wall_time_from(position) + at + 1 > back

"""A disk that loses power: a file system in memory that keeps only what was synced.

Of a file it keeps the sectors that an fsync came after; of a directory the names that an fsync of the
directory came after. What was not synced may be there all the same, in part: torn writes, and the first of
the directory's changes. A sync that fails loses the sectors for good, as on Linux: the next one succeeds and
doesn't bring them back.

It is driven by making directories in its root, whose names are commands: see :class:`Commands`.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SECTOR = 512
COMMAND = ".disk-"


class Node:
    """A file or a directory, as programs see it and as it lies on the disk."""

    def __init__(self, mode: int) -> None:
        self.mode = mode
        self.data = bytearray()
        self.dirty: set[int] = set()
        """Sectors that were written since the last sync."""
        self.durable = bytearray()
        self.names: dict[str, Node] = {}
        self.changes: list[tuple[str, Node | None, str | None]] = []
        """Since the last sync: a name, what it means now (None: nothing), and the name that went with it."""
        self.durable_names: dict[str, Node] = {}

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def touch(self, start: int, stop: int) -> None:
        self.dirty |= set(range(start // SECTOR, (stop + SECTOR - 1) // SECTOR))

    def sync(self) -> None:
        self.settle(len(self.data), self.dirty, len(self.changes))

    def settle(self, size: int, sectors: set[int], changes: int) -> None:
        """Let a size, some sectors and the first of the directory's changes reach the disk."""
        kept = bytearray(size)
        common = min(size, len(self.durable))
        kept[:common] = self.durable[:common]
        for sector in sectors:
            piece = slice(sector * SECTOR, min((sector + 1) * SECTOR, size, len(self.data)))
            if piece.start < piece.stop:
                kept[piece] = self.data[piece]
        self.durable = kept
        self.dirty = set()
        for name, node, gone in self.changes[:changes]:
            self.durable_names.pop(gone or name, None)
            self.durable_names.pop(name, None)
            if node is not None:
                self.durable_names[name] = node
        self.changes = self.changes[changes:]

    def lose_power(self, chance: random.Random, torn: bool) -> None:
        """What wasn't synced is gone, but for what the disk had begun to write."""
        if torn:
            size = chance.choice([len(self.durable), len(self.data)])
            sectors = {sector for sector in sorted(self.dirty) if chance.random() < 0.5}
            self.settle(size, sectors, chance.randint(0, len(self.changes)))
        for node in self.durable_names.values():
            node.lose_power(chance, torn)

    def write_to(self, path: Path) -> None:
        if not self.is_directory:
            path.write_bytes(self.durable)
            return
        path.mkdir()
        for name, node in self.durable_names.items():
            node.write_to(path / name)


class Disk:
    """The operations of the file system, as FUSE calls them."""

    use_ns = True

    def __init__(self, after: Path) -> None:
        self._after = after
        self._chance = random.Random(0)
        self._commands = {"on": self._on, "cut": self._cut, "cut-at": self._cut_at, "seed": self._seed}
        self._commands |= {"fail": self._fail, "room": self._room}
        self._on(0)

    def _on(self, _: int) -> None:
        """A fresh disk, with power."""
        self._root = Node(stat.S_IFDIR | 0o700)
        self._handles: dict[int, Node] = {}
        self._off = self._torn = False
        self._syncs_left: int | None = None
        self._failing = 0
        self._room_left: int | None = None

    def _seed(self, seed: int) -> None:
        """Torn writes from now on, by this seed."""
        self._chance, self._torn = random.Random(seed), True

    def _cut(self, _: int) -> None:
        """Power goes; what is on the disk is copied to where it can be looked at."""
        if not self._off:
            self._root.lose_power(self._chance, self._torn)
            shutil.rmtree(self._after, ignore_errors=True)
            self._root.write_to(self._after)
        self._off = True

    def _cut_at(self, syncs: int) -> None:
        """Power goes at that sync from now."""
        self._syncs_left = syncs

    def _fail(self, syncs: int) -> None:
        """So many syncs of files fail."""
        self._failing = syncs

    def _room(self, size: int) -> None:
        """So many bytes are free, of which what is truncated or unlinked makes more."""
        self._room_left = size

    def _take(self, size: int) -> None:
        if self._room_left is not None:
            if size > max(0, self._room_left):
                raise OSError(errno.ENOSPC, "")
            self._room_left -= size

    def _power(self) -> None:
        if self._off:
            raise OSError(errno.EIO, "")

    def _find(self, path: str) -> Node:
        self._power()
        node = self._root
        for part in path.strip("/").split("/"):
            if part:
                if part not in node.names:
                    raise OSError(errno.ENOENT, "")
                node = node.names[part]
        return node

    def _place(self, path: str) -> tuple[Node, str]:
        folder, _, name = path.rpartition("/")
        return self._find(folder), name

    def _link(self, path: str, node: Node) -> None:
        folder, name = self._place(path)
        self._take(0 if node.is_directory else SECTOR)
        folder.names[name] = node
        folder.changes.append((name, node, None))

    def _opened(self, node: Node) -> int:
        handle = max(self._handles, default=0) + 1
        self._handles[handle] = node
        return handle

    def _node(self, path: str, handle: int | None) -> Node:
        self._power()
        return self._handles[handle] if handle in self._handles else self._find(path)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        if path.startswith(f"/{COMMAND}"):
            raise OSError(errno.ENOENT, "")
        node = self._root if path == "/" else self._node(path, fh)
        return {
            "st_mode": node.mode,
            "st_nlink": 1,
            "st_size": len(node.data),
            "st_uid": os.getuid(),
            "st_gid": os.getgid(),
        }

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *self._find(path).names]

    def mkdir(self, path: str, mode: int) -> int:
        if path.startswith(f"/{COMMAND}"):
            name, _, number = path.removeprefix(f"/{COMMAND}").rpartition("-")
            self._commands[name](int(number))
        else:
            self._link(path, Node(stat.S_IFDIR | mode))
        return 0

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        node = Node(stat.S_IFREG | mode)
        self._link(path, node)
        return self._opened(node)

    def open(self, path: str, flags: int) -> int:
        return self._opened(self._find(path))

    def opendir(self, path: str) -> int:
        return self._opened(self._find(path))

    def release(self, path: str, fh: int) -> int:
        self._handles.pop(fh, None)
        return 0

    releasedir = release

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self._node(path, fh).data[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        node = self._node(path, fh)
        self._take(max(0, offset + len(data) - len(node.data)))
        if len(node.data) < offset:
            node.touch(len(node.data), offset)
            node.data.extend(bytes(offset - len(node.data)))
        node.data[offset : offset + len(data)] = data
        node.touch(offset, offset + len(data))
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        node = self._node(path, fh)
        self._take(length - len(node.data))
        if length > len(node.data):
            node.touch(len(node.data), length)
            node.data.extend(bytes(length - len(node.data)))
        del node.data[length:]
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        node = self._node(path, fh)
        if self._syncs_left is not None:
            self._syncs_left -= 1
            if self._syncs_left <= 0:
                self._cut(0)
                self._power()
        if self._failing and not node.is_directory:
            self._failing -= 1
            node.dirty = set()  # the kernel believes that they are clean
            raise OSError(errno.EIO, "")
        node.sync()
        return 0

    fsyncdir = fsync

    def unlink(self, path: str) -> int:
        node = self._find(path)
        folder, name = self._place(path)
        del folder.names[name]
        folder.changes.append((name, None, None))
        self._take(-len(node.data) - SECTOR)
        return 0

    rmdir = unlink

    def rename(self, old: str, new: str) -> int:
        node, (folder, name), (target, other) = self._find(old), self._place(old), self._place(new)
        if folder is not target:
            raise OSError(errno.EXDEV, "")
        del folder.names[name]
        folder.names[other] = node
        folder.changes.append((other, node, name))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        node = self._find(path)
        node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        return 0

    def utimens(self, path: str, times: object = None) -> int:
        return 0

    def flush(self, path: str, fh: int) -> int:
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        free = 1 << 20 if self._room_left is None else max(0, self._room_left) // SECTOR
        return {"f_bsize": SECTOR, "f_frsize": SECTOR, "f_blocks": 1 << 21, "f_bfree": free, "f_bavail": free}


class Commands:
    """A mounted disk, and what may be done to it."""

    def __init__(self, mount: Path, after: Path) -> None:
        self.mount = mount
        self.after = after
        """Where the disk's contents lie after a cut."""

    def _tell(self, command: str, number: int = 0) -> None:
        try:
            (self.mount / f"{COMMAND}{command}-{number}").mkdir()
        except OSError:
            return  # FUSE looks for what was made, and nothing was

    def fresh(self, seed: int | None = None) -> Path:
        """An empty disk with power; with a seed, unsynced writes are torn at a cut. Returns its directory."""
        self._tell("on")
        if seed is not None:
            self._tell("seed", seed)
        return self.mount

    def cut(self) -> Path:
        """Cut the power. Returns a directory with what is on the disk."""
        self._tell("cut")
        return self.after

    def cut_at(self, syncs: int) -> None:
        """Cut the power at that sync from now; it doesn't return."""
        self._tell("cut-at", syncs)

    def fail(self, syncs: int) -> None:
        """Let so many syncs of files fail."""
        self._tell("fail", syncs)

    def room(self, size: int) -> None:
        """Let so many bytes be free."""
        self._tell("room", size)


@contextmanager
def lossy_disk(root: Path) -> Iterator[Commands]:
    """Mount one. The test is skipped where FUSE isn't to be had."""
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError) as error:  # the module, or the library that it loads
        pytest.skip(f"FUSE isn't to be had here: {error}")
    unmount = shutil.which("fusermount3") or shutil.which("fusermount")
    if unmount is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse or fusermount3 isn't to be had here")
    mount, after = root / "disk", root / "after"
    mount.mkdir()
    command = [sys.executable, "-m", "tests.capture.lossy", str(mount), str(after)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 20
        while not mount.is_mount():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                said = process.communicate()[1].decode(errors="replace").strip().rpartition("\n")[2]
                pytest.skip(f"FUSE can't be mounted here: {said}")
            time.sleep(0.02)
        yield Commands(mount, after)
    finally:
        subprocess.run([unmount, "-u", "-z", str(mount)], check=False, capture_output=True)
        process.send_signal(signal.SIGTERM)
        process.communicate()


def main() -> None:
    """Serve: the mount point, and where the contents go after a cut."""
    import mfusepy

    mount, after = sys.argv[1:]

    class Served(Disk, mfusepy.Operations):  # type: ignore[misc]
        """The same, as the library wants it."""

    mfusepy.FUSE(Served(Path(after)), mount, foreground=True, nothreads=True, entry_timeout=0, attr_timeout=0)


if __name__ == "__main__":
    main()

"""The folders of all recordings, one object for each: two of them don't see each other's locks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from meetsense.capture.folder import ID, Folder, unfinished


class Shelf:
    """Where the recordings are. Its methods may be called by several threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: dict[str, Folder] = {}

    def keep(self, folder: Folder) -> Folder:
        """The folder; where it is known already, the object that others use."""
        return self._folders.setdefault(folder.id, folder)

    def interrupted(self) -> list[Folder]:
        """What has not ended, oldest first. Call it while nobody records. Raises CaptureError."""
        return [self.keep(folder) for folder in unfinished(self.root)]

    def names(self) -> Iterator[str]:
        """Ids of the recordings, oldest first. Other files, and a disk's lost+found, are none of them."""
        for path in sorted(self.root.glob("*")):
            if ID.match(path.name) and path.is_dir():
                yield path.name

    def folder(self, name: str) -> Folder:
        """The folder of an id."""
        return self.keep(Folder(self.root / name))

"""Whether a meeting may be recorded, asked of the database: before it begins, and all the while."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from meetsense.errors import MeetsenseError
from meetsense.privacy.consent import Policy, basis, still_holds
from meetsense.values import Agreement, Basis

if TYPE_CHECKING:
    from meetsense.store import Store

PERIOD = 1.0
"""Seconds from one look to the next."""
LOOKS = 30
"""So many, until the database is opened anew."""
ANSWER_SECONDS = 1.0
"""How long a question waits for a database that another program has locked, where nobody may wait long."""

log = logging.getLogger(__name__)


class Standing(Enum):
    """How it stands with the basis of a recording."""

    HOLDS = "holds"
    REFUSED = "refused"
    """Somebody present took their consent back: what was recorded is to be forgotten."""
    GONE = "gone"
    """Nobody says no, but what said yes is not there any more: the person, the policy, or the database."""


class Gate:
    """Closed unless it can be shown that it may be open."""

    def __init__(self, database: Path, policy: Policy | None) -> None:
        self._database = database
        self._policy = policy

    def basis(self, present: Sequence[str]) -> Basis:
        """Why a meeting of these people may be recorded.

        Raises ConsentError when it may not be, StoreError when that can't be found out.
        """
        with self._store(create=True) as store:
            agreed = store.agreed(present, Agreement.RECORDING)
        return basis(present, agreed, self._policy)

    def standing(self, stated: Basis) -> Standing:
        """How it stands with a recording of this basis.

        Raises StoreError when that can't be found out, which is soon: the loop that feeds the watchdog asks.
        """
        with self._store(create=False, patience=ANSWER_SECONDS) as store:
            return self.standing_by(store, stated)

    def standing_by(self, store: Store, stated: Basis) -> Standing:
        """The same by an open database. Raises StoreError."""
        agreed = store.agreed(stated.people, Agreement.RECORDING)
        if any(agreed.get(name) is False for name in stated.people):
            return Standing.REFUSED
        return Standing.HOLDS if still_holds(stated, agreed, self._policy) else Standing.GONE

    def _store(self, *, create: bool, patience: float | None = None) -> Store:
        from meetsense.store import BUSY_SECONDS, Store

        return Store(self._database, create=create, patience=BUSY_SECONDS if patience is None else patience)

    def open(self) -> Store:
        """The database, for a watch. Raises StoreError."""
        return self._store(create=False)


class Watch:
    """Looks each second, in a thread of its own, whether a basis still holds."""

    def __init__(self, gate: Gate, stated: Basis) -> None:
        self._gate = gate
        self._stated = stated
        self._ended = threading.Event()
        self.standing = Standing.HOLDS
        self.blind = False
        """The database can't be asked now."""
        threading.Thread(target=self._run, name="consent", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with self._gate.open() as store:
                    self._look(store)
            except (MeetsenseError, OSError):
                self.blind = True
            except Exception:
                # A bug here must not let a recording go on unwatched without a word.
                if not self.blind:
                    log.exception("whether the recording may go on can't be found out")
                self.blind = True
            self._ended.wait(PERIOD)

    def _look(self, store: Store) -> None:
        """For a while: the file may be another one by then. Raises StoreError."""
        for _ in range(LOOKS):
            standing = self._gate.standing_by(store, self._stated)
            self.blind = False
            if standing is not Standing.HOLDS:
                self.standing = standing
                self._ended.set()
            if self._ended.wait(PERIOD):
                return

"""The model store: what can be downloaded, what is installed, and whether it is what it should be.

A shelf is a folder with one folder a model, ``KIND/NAME/``. Beside the weights stands ``installed.json``,
written last, which says what the model is and what its files hash to. What lies on the shelf without such a
record is loaded by no engine; what differs from its record is refused by name. A Whisper folder that the user
keeps elsewhere and names by its path needs none: it holds numbers and text, no code. Nothing here fetches
anything unless :func:`meetsense.speech.shelf.pull.pull` is called.
"""

from meetsense.speech.shelf.check import Fault, Verified, faults, loadable, verify
from meetsense.speech.shelf.manifest import File, Kind, Model, find, read_manifest
from meetsense.speech.shelf.network import offline
from meetsense.speech.shelf.record import Installed, Pin, installed, read_record, write_record

__all__ = [
    "Fault",
    "File",
    "Installed",
    "Kind",
    "Model",
    "Pin",
    "Verified",
    "faults",
    "find",
    "installed",
    "loadable",
    "offline",
    "read_manifest",
    "read_record",
    "verify",
    "write_record",
]

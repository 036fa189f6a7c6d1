"""Reading and writing the field's formats: transcripts in, the analysis document out.

>>> from pathlib import Path
>>> is_transcript(Path("standup.VTT")), is_transcript(Path("standup.wav"))
(True, False)
"""

from meetsense.interchange.document import SCHEMA, document, dumps, loads
from meetsense.interchange.transcript import UNKNOWN_SPEAKER, Transcript, is_transcript, read_transcript

__all__ = [
    "SCHEMA",
    "UNKNOWN_SPEAKER",
    "Transcript",
    "document",
    "dumps",
    "is_transcript",
    "loads",
    "read_transcript",
]

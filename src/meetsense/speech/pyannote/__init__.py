"""The diarizer ``pyannote``: pyannote.audio's pipeline of a local directory laid out like community-1.

Three modes. ``stock`` runs the library as it is. ``exact`` gives what stock gives, to the bit where the
recording is no longer than an hour, in half the time or less: the embedding network, 95 % of the work, sees
every chunk once instead of once a speaker. ``fast`` runs both networks by onnxruntime, exported from the
verified weights on first use and compared with torch before they are believed. Needs the extra ``pyannote``.
"""

from meetsense.speech.pyannote.engine import PyannoteDiarizer
from meetsense.speech.pyannote.loading import FILES, Mode

__all__ = ["FILES", "Mode", "PyannoteDiarizer"]

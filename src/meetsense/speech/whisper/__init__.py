"""The transcriber ``whisper``: faster-whisper on a model directory, guarded against what Whisper invents.

``folder`` checks a directory before anything is loaded, ``machine`` says what there is to run on, ``plan``
chooses how to run, ``language`` hears the language, ``prompt`` fits names and agenda into the model's
context, ``filters`` drops what nobody said, ``engine`` puts them together.
"""

from meetsense.speech.whisper.engine import WhisperTranscriber
from meetsense.speech.whisper.plan import Mode, Plan

__all__ = ["Mode", "Plan", "WhisperTranscriber"]

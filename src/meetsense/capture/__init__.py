"""Microphone to recording on disk: nothing that came is lost, and what did not come is counted."""

"""The training scripts need torch and pyannote.audio to be imported: pytest looks for no doctest in them."""

collect_ignore = ["training"]

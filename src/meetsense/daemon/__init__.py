"""The loops that run for months: the recorder, the processor, and how they are commanded and watched."""

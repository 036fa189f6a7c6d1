"""The figures the project must reach, measured: one module a group of rows.

``python -m tests.bench`` prints the table, ``python -m tests.bench der cost`` only those groups. What it
makes (simulated meetings, ``results.json``) lies in ``.bench/``.
"""

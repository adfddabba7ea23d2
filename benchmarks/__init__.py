"""Measurements that are too long or too noisy for tests: ``python -m benchmarks [NAME...]``.

One module per measurement, listed in ``NAMES``. Each has TITLE, a one-line statement of what is
measured, and ``measure(brief)``, which returns a ``Table``; ``brief`` asks for a version of a few
seconds. Results go to ``benchmarks/results`` as JSON and Markdown, with machine and versions.
"""

NAMES = ("whole_runs", "gpu")

"""Publication figures, drawn from stored results only: nothing here computes a density or a sample.

One figure per module; each has ``draw(results) -> Figure`` and ``CLAIMS``, the claims whose stored
datasets it needs. Bounds are dashed black, measurements carry error bars.
"""

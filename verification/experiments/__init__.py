"""The learning experiments: five systems, four methods, five seeds, one stored sweep.

    plan        what is run: systems, methods with their settings, seeds, sizes of the data
    methods     one face for every method: fit, sample, reconstruct, log-likelihood
    measure     what is measured of a fitted model
    sweep       runs what is not stored yet, in processes of one thread each
    table       means over seeds with intervals
    verdicts    who wins where, in words
    page        docs/experiments.md
    pictures    arrays for the figures, from the first seed

``python -m benchmarks experiments`` runs it; nothing of it is in the tests but small versions.
"""

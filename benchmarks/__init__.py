"""Measurements that are too long or too noisy for tests: ``python -m benchmarks [NAME...]``.

One module per measurement, listed in ``NAMES``. Each has TITLE, a one-line statement of what is
measured, and ``measure(brief)``, which returns a ``Table``; ``brief`` asks for a version of a few
seconds. Results go to ``benchmarks/results``, a folder per set of vector instructions, as JSON and
Markdown, with machine and versions. TARGETS says which columns have goals.
"""

NAMES = (
    "particles_well",
    "particles_mixture",
    "particles_quadratic",
    "particles_mala",
    "particles_growth",
    "particles_recorders",
    "particles_compile",
    "gpu",
    "fokker_planck_line",
    "fokker_planck_plane",
    "fokker_planck_space",
    "grid_structure",
    "grid_growth",
    "spectrum",
    "constants",
    "transport",
    "relative_entropy",
    "sinkhorn",
    "whole_runs",
    "trainer",
    "validation",
    "experiments",
    "faults",
    "noise_law",
    "sampler_cost",
    "sampler_kills",
    "own_data",
    "sampler_level",
    "sampler_habits",
    "sampler_torchebm",
    "unseen",
    "planted",
)

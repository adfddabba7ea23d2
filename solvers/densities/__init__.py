"""Densities on grids: Fokker-Planck solutions with an exact Gibbs state and numerical widths."""

from .fokker_planck import GridDensity, seeing_grid, solve_fokker_planck
from .grid import Grid
from .jko import JKOStep, jko_step
from .path import DensityPath, DensityState
from .propagation import Propagation, propagate
from .spectrum import generator_spectrum
from .time_dependent import advance_masses, solve_time_dependent

__all__ = [
    "DensityPath",
    "DensityState",
    "Grid",
    "GridDensity",
    "JKOStep",
    "Propagation",
    "advance_masses",
    "generator_spectrum",
    "jko_step",
    "propagate",
    "seeing_grid",
    "solve_fokker_planck",
    "solve_time_dependent",
]

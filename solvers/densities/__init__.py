"""Densities on grids: Fokker-Planck solutions with an exact Gibbs state and numerical widths."""

from .fokker_planck import GridDensity, solve_fokker_planck
from .grid import Grid
from .path import DensityPath, DensityState

__all__ = ["DensityPath", "DensityState", "Grid", "GridDensity", "solve_fokker_planck"]

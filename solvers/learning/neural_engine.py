"""The engine of neural energies: compiled loops on the CPU, torch tensors there and on CUDA."""

from __future__ import annotations

from lvebm_theory.errors import ArgumentError

from ..noise.backends import Real
from ..particles.ula import ula
from .neural_phases import NeuralPhases
from .problem import LearningProblem
from .stepped import SteppedEngine


def neural_engine(
    problem: LearningProblem,
    *,
    backend: str = "numba",
    dtype: Real = "float32",
    device: str = "cpu",
    threads: int | None = None,
) -> SteppedEngine:
    """The engine of a neural energy.

    Parameters
    ----------
    backend : {"numba", "torch"}
        Compiled loops, or tensors (CUDA needs these).
    threads : int, optional
        Of the compiled loops; results do not depend on it.

    Raises
    ------
    ArgumentError
        For a scheme that is not ULA, and for projections: the energy's caps are the projection.
    """
    settings, update = problem.settings, problem.update
    if update.latent_scheme is not ula or update.pool_scheme is not ula:
        raise ArgumentError("a neural energy is moved by ULA in both phases")
    if settings.projection is not None:
        raise ArgumentError(
            "theta of a neural energy is projected onto its spectral caps; "
            f"settings.projection must be None, got {settings.projection}"
        )
    phases: NeuralPhases
    if backend == "numba":
        phases = NeuralPhases(problem, dtype=dtype, threads=threads)
    else:
        from .neural_tensors import NeuralTensorPhases

        phases = NeuralTensorPhases(problem, dtype=dtype, device=device)
    return SteppedEngine(problem, phases, host_verdicts=False)

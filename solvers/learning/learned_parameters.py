"""Which parameters move, where they start, and how they are projected."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import JointEnergy

from .projections import Projection

Project = Callable[[FloatArray], FloatArray]


def learned_places(energy: JointEnergy, learned: Sequence[str] | None) -> npt.NDArray[np.int64]:
    """Positions of the learned names among the parameters, in the order of the parameters.

    Arrays by entry (``precision_0_1``) or whole (``precision``); None means every one.
    """
    names = list(energy.parameters)
    if learned is None:
        return np.arange(len(names))
    entries = {name: [name] for name in names}
    for whole in getattr(energy, "values", {}):
        entries[whole] = [n for n in names if n == whole or n.startswith(f"{whole}_")]
    unknown = sorted(set(learned) - set(entries))
    if unknown or not learned:
        raise ArgumentError(
            f"{energy.name} has parameters {names}, asked to learn {list(learned)}"
            + (f": unknown {unknown}" if unknown else "")
        )
    chosen = {entry for name in learned for entry in entries[name]}
    return np.array([k for k, name in enumerate(names) if name in chosen])


def learned_start(
    energy: JointEnergy, places: npt.NDArray[np.int64], theta: npt.ArrayLike | None
) -> FloatArray:
    """The learned parameters (p,) to start from; those of the energy if None.

    Parameters
    ----------
    theta : array (p,) of the learned parameters, or (n_theta,) of all, in which those that do not
        move must be the energy's
    """
    own = np.array(list(energy.parameters.values()), dtype=float)
    if theta is None:
        return own[places]
    vector = np.atleast_1d(np.asarray(theta, dtype=float))
    names = [list(energy.parameters)[k] for k in places]
    if vector.shape not in ((places.size,), own.shape) or not np.all(np.isfinite(vector)):
        raise ArgumentError(
            f"theta_start needs {places.size} finite values for {names}, or all {own.size} "
            f"parameters, got {theta!r}"
        )
    if vector.size == places.size:
        return vector.copy()
    still = np.setdiff1d(np.arange(own.size), places)
    if np.any(vector[still] != own[still]):
        raise ArgumentError(
            f"theta_start moves parameters that are not learned ({names}): give the energy those "
            "values"
        )
    return vector[places]


def as_function(
    energy: JointEnergy,
    places: npt.NDArray[np.int64],
    projection: Projection | Project | None,
) -> Project | None:
    """A projection as a function of the learned parameters (p,).

    Parameters
    ----------
    projection : a ``Projection`` of all parameters, or a function of the learned ones
    """
    if projection is None:
        return None
    if not isinstance(projection, Projection):
        return projection
    from . import projection_steps

    index, numbers = projection.arrays(list(energy.parameters))
    step = getattr(projection_steps, projection.function)
    own = np.array(list(energy.parameters.values()), dtype=float)

    def project(theta: FloatArray) -> FloatArray:
        full = own.copy()
        full[places] = theta
        step(full, index, numbers)
        return np.asarray(full[places])

    return project

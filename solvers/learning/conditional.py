"""Sampling what is missing given what is observed: z given x, x given z, and reconstruction.

With w = (x, z), observed entries clamped and the rest free, Langevin steps act on the free entries
of every row at once:

    w_f <- w_f - h d_f E(w) + sqrt(2h) xi_f

MALA accepts or refuses each step and leaves the conditional law invariant at every h; ULA keeps
every step and its bias of order h. Several chains per datum start apart from each other. A ladder
of inverse temperatures b_1 = 1 > b_2 > ... runs copies on b_i E that exchange neighbours with
probability min(1, exp((b_i - b_j)(E_i - E_j))), which lets chains cross between modes and leaves
the law at b_1 invariant. What was done, and whether chains of a datum agree, is in ``info``.

Source: Roberts and Tweedie 1996 (MALA); Geyer 1991 (exchange); Gelman and Rubin 1992 with split
chains (agreement).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import BoolArray, FloatArray
from lvebm_theory.errors import ArgumentError

from ..noise import Noise
from .conditional_chains import ConditionalDraws, ConditionalSampling, Ensemble
from .likelihood.annealed import Differentiable, rows

if TYPE_CHECKING:
    from lvebm_theory.protocols import JointEnergy


__all__ = [
    "ConditionalDraws",
    "ConditionalSampling",
    "fill_in",
    "reconstruct",
    "sample_data",
    "sample_latents",
]


def fill_in(
    energy: Differentiable,
    w: npt.ArrayLike,
    observed: npt.ArrayLike,
    *,
    settings: ConditionalSampling | None = None,
    noise: Noise,
    start: npt.ArrayLike | None = None,
) -> ConditionalDraws:
    """Draws of the free entries of w given the observed ones, under exp(-U).

    Parameters
    ----------
    energy : with ``dim``, ``potential`` and ``gradient`` in d coordinates
    w : array (n, d)
        Entries that are not observed are not read.
    observed : bool array (d,) or (n, d)
    start : array (n, K, d) or (m, d), optional
        Where the free entries start; of a pool (m, d) every chain takes a member at random.
        Standard normals by default.

    Raises
    ------
    ArgumentError
        Observed entries that are not finite, nothing to fill in, unusable shapes.
    SolverError
        An unadjusted chain left the finite numbers.
    """
    how = settings or ConditionalSampling()
    data, free = _checked(energy.dim, w, observed)
    begin = _start(data, free, how.chains, start, noise)
    ensemble = Ensemble(rows(energy), begin, free, how, noise)
    return ensemble.run()


def sample_latents(
    joint: JointEnergy,
    x: npt.ArrayLike,
    *,
    settings: ConditionalSampling | None = None,
    noise: Noise,
    start: npt.ArrayLike | None = None,
) -> ConditionalDraws:
    """Draws of z given x (n, dim_x); ``points`` holds (x, z). ``start`` as in ``fill_in``."""
    data = _columns(x, joint.dim_x, "x")
    whole = np.hstack([data, np.zeros((len(data), joint.dim_z))])
    observed = np.arange(whole.shape[1]) < joint.dim_x
    return fill_in(joint.joint(), whole, observed, settings=settings, noise=noise, start=start)


def sample_data(
    joint: JointEnergy,
    z: npt.ArrayLike,
    *,
    settings: ConditionalSampling | None = None,
    noise: Noise,
    start: npt.ArrayLike | None = None,
) -> ConditionalDraws:
    """Draws of x given z (n, dim_z); ``points`` holds (x, z). ``start`` as in ``fill_in``."""
    latent = _columns(z, joint.dim_z, "z")
    whole = np.hstack([np.zeros((len(latent), joint.dim_x)), latent])
    observed = np.arange(whole.shape[1]) >= joint.dim_x
    return fill_in(joint.joint(), whole, observed, settings=settings, noise=noise, start=start)


def reconstruct(
    joint: JointEnergy,
    x: npt.ArrayLike,
    observed: npt.ArrayLike,
    *,
    settings: ConditionalSampling | None = None,
    noise: Noise,
    start: npt.ArrayLike | None = None,
) -> ConditionalDraws:
    """Draws of the missing coordinates of x and of z, given the observed coordinates.

    Parameters
    ----------
    x : array (n, dim_x)
        Entries that are not observed are not read.
    observed : bool array (dim_x,) or (n, dim_x)
    """
    data = np.asarray(x, dtype=float)
    mask = np.asarray(observed, dtype=bool)
    if data.ndim != 2 or data.shape[1] != joint.dim_x or mask.shape[-1:] != (joint.dim_x,):
        raise ArgumentError(
            f"need x (n, {joint.dim_x}) and a mask of its coordinates, got {data.shape} and "
            f"{mask.shape}"
        )
    whole = np.hstack([data, np.zeros((len(data), joint.dim_z))])
    mask = np.broadcast_to(mask, data.shape)
    mask = np.hstack([mask, np.zeros((len(data), joint.dim_z), dtype=bool)])
    return fill_in(joint.joint(), whole, mask, settings=settings, noise=noise, start=start)


def _columns(a: npt.ArrayLike, dim: int, name: str) -> FloatArray:
    values = np.asarray(a, dtype=float)
    if values.ndim != 2 or values.shape[1] != dim:
        raise ArgumentError(f"need {name} (n, {dim}), got shape {values.shape}")
    return values


def _checked(dim: int, w: npt.ArrayLike, observed: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
    data = _columns(w, dim, "w")
    mask = np.asarray(observed, dtype=bool)
    if mask.shape not in ((dim,), data.shape):
        raise ArgumentError(f"need a mask ({dim},) or {data.shape}, got shape {mask.shape}")
    mask = np.broadcast_to(mask, data.shape)
    if len(data) == 0 or not np.all(np.isfinite(data[mask])):
        raise ArgumentError("the observed entries must be finite, of at least one datum")
    if np.any(mask.all(1)):
        raise ArgumentError("every datum needs a coordinate that is missing")
    return np.where(mask, data, 0.0), ~mask


def _start(
    data: FloatArray, free: BoolArray, chains: int, start: npt.ArrayLike | None, noise: Noise
) -> FloatArray:
    """First positions (n, K, d)."""
    n, dim = data.shape
    shape = (n, chains, dim)
    if start is None:
        first = noise.derive("start").normals(n * chains, 0, dim).reshape(shape)
    else:
        given = np.asarray(start, dtype=float)
        if given.ndim == 2 and given.shape[1] == dim and len(given):
            pick = noise.derive("start").uniforms(n * chains, 0)[:, 0] * len(given)
            given = given[pick.astype(np.int64)].reshape(shape)
        if given.shape != shape or not np.all(np.isfinite(given)):
            raise ArgumentError(f"a start is finite, {shape} or a pool (m, {dim}): {given.shape}")
        first = given
    return np.where(free[:, None], first, data[:, None])

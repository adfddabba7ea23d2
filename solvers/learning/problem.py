"""What a learner is to do, before any engine: checked data, indices, and every random number.

Streams of one ``Noise``: "latents" (particle i K + k), "pool" (particle j), both at Langevin step
k K_in + s; "theta" (particle: entry of theta; step: update); "batch" (particle: datum; index:
pass); "latent start" and "pool start".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray, IntArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.initial import InitialLaw

from ..noise import Noise
from .rates import Rate
from .settings import LearningSettings
from .state import LearningState
from .update import UPDATES, Update

Start = InitialLaw | npt.ArrayLike


@dataclass(frozen=True, kw_only=True)
class LearningProblem:
    """An energy, data, settings and noise that belong together.

    Attributes
    ----------
    energy : JointEnergy
    data : array (n, dim_x)
    settings : LearningSettings
    update : Update
    noise : Noise
    names : tuple of str
        Of the entries of theta.
    learned : array of int
        Entries that move.
    positive : array of int
        Learned entries that must stay > 0 for the family to exist.
    """

    energy: Any
    data: FloatArray
    settings: LearningSettings
    update: Update
    noise: Noise
    names: tuple[str, ...]
    learned: IntArray
    positive: IntArray
    _passes: dict[int, IntArray] = field(default_factory=dict, repr=False, compare=False)

    @property
    def latent_count(self) -> int:
        """n K."""
        return len(self.data) * self.settings.latents

    @property
    def moving_latents(self) -> int:
        """Latents that move in one update: batch K, or n K."""
        return (self.settings.batch or len(self.data)) * self.settings.latents

    def rates(self, first: int, last: int) -> FloatArray:
        """a_k of updates first to last - 1; zeros where a torch optimiser decides."""
        rate = self.settings.rate
        if not isinstance(rate, Rate):
            return np.zeros(last - first)
        values = np.asarray(rate.values(first, last), dtype=np.float64)
        if values.shape != (last - first,) or not np.all(np.isfinite(values) & (values >= 0)):
            raise ArgumentError(
                f"a rate needs finite values >= 0 of shape {(last - first,)}, got {values}"
            )
        return values

    def gradient_normals(self, first: int, last: int) -> FloatArray:
        """xi of updates first to last - 1, shape (last - first, n_theta); one row of zeros if
        there is no gradient noise."""
        if self.settings.gradient_noise == 0.0:
            return np.zeros((1, len(self.names)))
        tape = self.noise.derive("theta").tape(
            len(self.names), first, last - first, backend="numba"
        )
        return np.ascontiguousarray(tape, dtype=np.float64)

    def batches(self, first: int, last: int) -> IntArray:
        """Data of updates first to last - 1 in increasing order, shape (last - first, batch); an
        empty row if all data take part."""
        batch = self.settings.batch
        if batch is None:
            return np.zeros((1, 0), dtype=np.int64)
        per_pass = len(self.data) // batch
        rows = np.empty((last - first, batch), dtype=np.int64)
        for k in range(first, last):
            place = k % per_pass * batch
            rows[k - first] = np.sort(self._pass(k // per_pass)[place : place + batch])
        return rows

    def _pass(self, number: int) -> IntArray:
        """The data in the order of one shuffled pass: sorted by 64 random bits each."""
        if number not in self._passes:
            self._passes.clear()
            words = self.noise.derive("batch").integers(len(self.data), number, backend="numba")
            keys = (words[:, 0].astype(np.uint64) << np.uint64(32)) | words[:, 1].astype(np.uint64)
            self._passes[number] = np.argsort(keys, kind="stable")
        return self._passes[number]

    def start(
        self,
        latent_start: Start | None,
        pool_start: Start | None,
        theta_start: npt.ArrayLike | None = None,
    ) -> LearningState:
        """The state before the first update.

        Without laws, latents start from N(0, I) and the pool from N(data mean, data variances)
        times N(0, I).
        """
        dim_x, dim_z = self.energy.dim_x, self.energy.dim_z
        settings = self.settings
        if latent_start is None:
            latent_start = InitialLaw.normal(np.zeros(dim_z), 1.0)
        if pool_start is None:
            spread = self.data.std(axis=0)
            pool_start = InitialLaw.normal(
                np.concatenate([self.data.mean(axis=0), np.zeros(dim_z)]),
                np.concatenate([np.where(spread > 0, spread, 1.0), np.ones(dim_z)]),
            )
        shape = (len(self.data), settings.latents, dim_z)
        latents = self._drawn("latent start", latent_start, self.latent_count, dim_z, shape)
        pool = self._drawn(
            "pool start", pool_start, settings.pool, dim_x + dim_z, (settings.pool, dim_x + dim_z)
        )
        theta = self.energy.parameter_vector()
        if theta_start is not None:
            theta = np.array(theta_start, dtype=np.float64)
            if theta.shape != (len(self.names),) or not np.all(np.isfinite(theta)):
                raise ArgumentError(
                    f"theta starts from {len(self.names)} finite numbers, got {theta_start!r}"
                )
        return LearningState(
            update=0,
            theta=np.array(theta, dtype=np.float64),
            latents=latents,
            pool=pool,
            averages=np.zeros((2, len(self.names))),
        )

    def check(self, state: LearningState) -> None:
        """Refuse a state of other numbers of data, particles or parameters."""
        n, settings, thetas = len(self.data), self.settings, len(self.names)
        dim_x, dim_z = self.energy.dim_x, self.energy.dim_z
        for name, shape in (
            ("theta", (thetas,)),
            ("latents", (n, settings.latents, dim_z)),
            ("pool", (settings.pool, dim_x + dim_z)),
            ("averages", (2, thetas)),
        ):
            array = getattr(state, name)
            if array.shape != shape or not np.all(np.isfinite(array)):
                raise ArgumentError(
                    f"the state needs finite {name} of shape {shape}, got {array.shape}"
                )

    def _drawn(
        self, label: str, start: Start, count: int, dim: int, shape: tuple[int, ...]
    ) -> FloatArray:
        if not isinstance(start, InitialLaw):
            given = np.array(start, dtype=np.float64)
            if given.shape != shape or not np.all(np.isfinite(given)):
                raise ArgumentError(
                    f"the {label} needs finite numbers of shape {shape}, got {given.shape}"
                )
            return given
        if start.dim != dim:
            raise ArgumentError(f"the {label} needs dimension {dim}, got a law on R^{start.dim}")
        noise = self.noise.derive(label)
        normals = noise.normals(count, 0, dim, backend="numba")
        # one component leaves nothing to pick
        picks = (
            np.zeros(count)
            if len(start.weights) == 1
            else noise.uniforms(count, 0, backend="numba")[:, 0]
        )
        drawn = start.push_normals(picks, normals)
        return np.asarray(drawn, dtype=np.float64).reshape(shape)


def learning_problem(
    energy: Any,
    data: npt.ArrayLike,
    settings: LearningSettings,
    noise: Noise,
    update: Update | None = None,
) -> LearningProblem:
    """Checked arguments of ``train``.

    Raises
    ------
    ArgumentError
        For data of the wrong shape or with entries that are not finite, a batch larger than the
        data, and parameters that the energy does not have.
    """
    for name in ("dim_x", "dim_z", "parameters", "joint", "conditional"):
        if not hasattr(energy, name):
            raise ArgumentError(f"a joint energy E(x, z) is required, got {type(energy).__name__}")
    names = tuple(energy.parameters)
    learned = learned_entries(energy, names, settings.learned)
    values = _checked_data(data, energy.dim_x)
    if settings.batch is not None and settings.batch > len(values):
        raise ArgumentError(
            f"a batch has at most the {len(values)} data that there are, got {settings.batch}"
        )
    if settings.projection is not None:
        settings.projection.arrays(names)
    needed = getattr(getattr(energy, "family", None), "positive", ())
    positive = [
        k for k in learned if any(names[k] == p or names[k].startswith(f"{p}_") for p in needed)
    ]
    return LearningProblem(
        energy=energy,
        data=values,
        settings=settings,
        update=UPDATES[settings.order] if update is None else update,
        noise=noise,
        names=names,
        learned=learned,
        positive=np.array(positive, dtype=np.int64),
    )


def learned_entries(energy: Any, names: tuple[str, ...], asked: tuple[str, ...] | None) -> IntArray:
    """Places of the learned entries among the parameters; array parameters by entry or whole."""
    if asked is None:
        return np.arange(len(names), dtype=np.int64)
    wholes = getattr(energy, "values", None)
    chosen: set[int] = set()
    for name in asked:
        found = [k for k, own in enumerate(names) if own == name]
        if not found and (wholes is None or np.ndim(wholes.get(name, 0.0)) > 0):
            entry = re.compile(re.escape(name) + r"(_\d+)+")
            found = [k for k, own in enumerate(names) if entry.fullmatch(own)]
        if not found:
            raise ArgumentError(f"learned names parameters of {shown(names)}, got {name!r}")
        chosen |= set(found)
    return np.array(sorted(chosen), dtype=np.int64)


def shown(names: Sequence[str]) -> str:
    """Names for a message: all of them, or the first few of many."""
    few = list(names[:12])
    return str(few) if len(names) <= 12 else f"{few} and {len(names) - 12} more"


def _checked_data(data: npt.ArrayLike, dim_x: int) -> FloatArray:
    try:
        values = np.array(data, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"data are real numbers of shape (n, {dim_x}), got {data!r}") from None
    if values.ndim != 2 or values.shape[1] != dim_x or len(values) == 0:
        raise ArgumentError(f"data need shape (n, {dim_x}) with n >= 1, got {values.shape}")
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise ArgumentError(
            f"data need finite entries; {int(bad.sum())} of {len(values)} rows have others, the "
            f"first is row {int(np.argmax(bad))}: {values[int(np.argmax(bad))]}"
        )
    return np.ascontiguousarray(values)


def named(names: Sequence[str], theta: FloatArray) -> str:
    """Theta for a message: by name, or its norm where it is long."""
    if len(names) > 12:
        return f"theta with |theta| = {float(np.linalg.norm(theta)):.6g}"
    return "theta = (" + ", ".join(f"{n}={v:.8g}" for n, v in zip(names, theta, strict=True)) + ")"

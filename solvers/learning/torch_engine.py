"""Formula energies on torch tensors, CPU or CUDA: the compiled loop's second witness.

Nothing is generated for the particles: the scheme's step runs as it is written, on the energy's
torch source. Sums over particles go by groups of 256, then groups of groups, so that they do not
depend on the number of threads.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray, IntArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.formula import printing
from lvebm_theory.formula.generated import load

from ..noise import Noise
from ..noise.backends import Real
from .problem import LearningProblem
from .stepped import SteppedEngine, Which, one_by_one
from .temperature import tempered
from .update import Stage

if TYPE_CHECKING:
    from lvebm_theory.formula.expression import Formula

Array = npt.NDArray[Any]

_GROUP = 256
_TAPE = 2**22  # normals drawn at once, at most


def torch_engine(
    problem: LearningProblem, *, dtype: Real, device: str, threads: int | None
) -> SteppedEngine:
    """The engine of a formula energy on torch."""
    return SteppedEngine(problem, TorchPhases(problem, dtype=dtype, device=device, threads=threads))


@functools.lru_cache(maxsize=64)
def _slopes(joint: Formula, learned: tuple[int, ...]) -> ModuleType:
    """``slopes(x, p)``: derivatives with respect to learned entries, a tuple of tensors."""
    derivatives = joint.expressions("parameter_gradient")
    program = joint.program([derivatives[k] for k in learned])
    text = printing.tuple_function("slopes", program, printing.TORCH)
    return load(printing.module(text, printing.TORCH))


def tree_sum(values: Any) -> Any:
    """Sum over the last axis in an order of its own: groups of 256, then groups of groups."""
    import torch

    while values.shape[-1] > 1:
        rest = -values.shape[-1] % _GROUP
        if rest:
            values = torch.nn.functional.pad(values, (0, rest))
        values = values.reshape(*values.shape[:-1], -1, _GROUP).sum(-1)
    return values[..., 0]


class _Energy:
    """An energy as a scheme's step sees it, at one theta (and data)."""

    def __init__(self, module: ModuleType, parameters: list[Any]) -> None:
        self._module, self._parameters = module, parameters

    def potential(self, x: Any) -> Any:
        """E, shape (n,)."""
        return self._module.potential(x, self._parameters)

    def gradient(self, x: Any) -> Any:
        """grad E, shape (d, n)."""
        return self._module.gradient(x, self._parameters)

    def potential_gradient(self, x: Any) -> tuple[Any, Any]:
        """Both."""
        return self.potential(x), self.gradient(x)


class _Draw:
    """The noise of one step; what is not read is not computed."""

    def __init__(self, tape: _Tape, step: int) -> None:
        self._tape, self._step = tape, step

    @property
    def normal(self) -> Any:
        """Shape (d, n)."""
        return self._tape.rows("normals", self._step, self._tape.dim)

    @property
    def uniform(self) -> Any:
        """Shape (n,)."""
        return self._tape.rows("uniforms", self._step, 1)[0]


class _Tape:
    """Noise of consecutive steps of some particles, several steps per call."""

    def __init__(
        self, noise: Noise, ids: Array, dim: int, last: int, options: dict[str, Any]
    ) -> None:
        self._noise, self._ids, self.dim, self._last = noise, ids, dim, last
        self._options = options
        self._held: dict[str, tuple[int, int, Any]] = {}

    def rows(self, law: Any, step: int, width: int) -> Any:
        """The entries of one step, shape (width, n)."""
        begin, end, rows = self._held.get(law, (0, 0, None))
        if not begin <= step < end:
            span = max(1, min(16, _TAPE // (width * len(self._ids))))
            begin, end = step, min(self._last, step + span)
            rows = self._noise.tape(
                self._ids, begin * width, (end - begin) * width, law=law, **self._options
            )
            self._held[law] = begin, end, rows
        assert rows is not None
        return rows[(step - begin) * width : (step - begin + 1) * width]


class TorchPhases:
    """``Phases`` of a formula energy.

    Parameters
    ----------
    problem : LearningProblem
    dtype : {"float64", "float32"}
        Of particles; theta and averages are float64.
    device : str
    threads : int or None
        Of torch on the CPU; None means one.
    """

    backend = "torch"

    def __init__(
        self, problem: LearningProblem, *, dtype: Real, device: str, threads: int | None
    ) -> None:
        import torch

        energy = problem.energy
        if getattr(energy, "formula", None) is None:
            raise ArgumentError(f"{energy.name} has no formula for torch")
        self._torch, self._problem, self._device = torch, problem, device
        self._dtype: Real = dtype
        self._real = getattr(torch, dtype)
        self._threads = threads or 1
        conditional = energy.conditional(problem.data[0])
        self._modules = {
            "latents": load(conditional.source("torch")),
            "pool": load(energy.joint().source("torch")),
        }
        self._learned = tuple(int(k) for k in problem.learned)
        self._slopes = _slopes(energy.formula, self._learned)
        settings, update = problem.settings, problem.update
        cold = 1.0 / settings.temperature
        self._schemes = {
            "latents": tempered(update.latent_scheme, cold),
            "pool": tempered(update.pool_scheme, cold),
        }
        self._steps = {
            "latents": settings.latent_step * settings.temperature,
            "pool": settings.pool_step * settings.temperature,
        }
        self._noises = {name: problem.noise.derive(name) for name in ("latents", "pool")}
        self._data = self._tensor(problem.data.T)
        self._owners = self._long(np.repeat(np.arange(len(problem.data)), settings.latents))
        self._particles: dict[str, Any] = {}

    def _tensor(self, values: Array) -> Any:
        array = np.array(values, order="C")
        return self._torch.from_numpy(array).to(device=self._device, dtype=self._real)

    def _long(self, values: Array) -> Any:
        return self._torch.from_numpy(np.array(values, dtype=np.int64)).to(self._device)

    @contextlib.contextmanager
    def _threads_of_torch(self) -> Iterator[None]:
        before = self._torch.get_num_threads()
        self._torch.set_num_threads(self._threads)
        try:
            yield
        finally:
            self._torch.set_num_threads(before)

    def close(self) -> None:
        """Nothing to let go."""

    def load(self, latents: Array, pool: Array, scale: float) -> None:
        """Hold copies; step sizes stay."""
        self._particles = {
            "latents": self._tensor(latents.reshape(-1, latents.shape[-1]).T),
            "pool": self._tensor(pool.T),
        }

    def particles(self) -> tuple[Array, Array]:
        """Copies of latents (n, K, dim_z) and pool (M, dim_x + dim_z)."""
        latents, pool = (
            np.ascontiguousarray(self._particles[name].cpu().numpy().T)
            for name in ("latents", "pool")
        )
        shape = (len(self._problem.data), self._problem.settings.latents, -1)
        return latents.reshape(shape).copy(), pool.copy()

    def vector(self, values: FloatArray) -> Any:
        """A float64 tensor."""
        return self._torch.from_numpy(np.array(values, dtype=np.float64)).to(self._device)

    def values(self, vector: Any) -> FloatArray:
        """A float64 array."""
        return np.array(vector.detach().cpu().numpy(), dtype=np.float64)

    def observe(self, theta: FloatArray) -> dict[str, Any] | None:
        """None: numpy does it."""
        return None

    def _chosen(self, rows: IntArray | None) -> tuple[Array, Any]:
        """Numbers of the latents that take part, as an array and on the device (None: all)."""
        k = self._problem.settings.latents
        if rows is None:
            return np.arange(self._problem.latent_count), None
        ids = (rows[:, None] * k + np.arange(k)).reshape(-1)
        return ids, self._long(ids)

    def _seen(self, which: Which, theta: Any, rows: IntArray | None) -> tuple[Any, Any, Array, Any]:
        """Positions (d, n), data (dim_x, n) or None, particle numbers, and where they lie."""
        if which == "pool":
            return self._particles["pool"], None, np.arange(self._problem.settings.pool), None
        ids, places = self._chosen(rows)
        latents = self._particles["latents"]
        owners = self._owners if places is None else self._owners[places]
        positions = latents if places is None else latents[:, places]
        return positions, self._data[:, owners], ids, places

    def restart(self, update: int, rows: IntArray | None) -> None:
        """Latents drawn anew from a normal law."""
        law = self._problem.update.restart
        assert law is not None
        ids, places = self._chosen(rows)
        dim = law.dim
        tape = self._problem.noise.derive("latent start").tape(
            ids, (update + 1) * dim, dim, backend="torch", dtype=self._dtype, device=self._device
        )
        mean, sd = (self._tensor(a[:, None]) for a in (law.means[0], law.sds[0]))
        self._put("latents", mean + sd * tape, places)

    def _put(self, which: Which, positions: Any, places: Any) -> None:
        if places is None:
            self._particles[which] = positions
        else:
            self._particles[which][:, places] = positions

    def several(
        self, stages: Sequence[Stage], theta: Any, update: int, rows: IntArray | None
    ) -> dict[Which, Any]:
        """Moves and averages one after the other."""
        return one_by_one(self, stages, theta, update, rows)

    def move(self, which: Which, theta: Any, update: int, rows: IntArray | None) -> None:
        """K_in steps of one phase."""
        inner = self._problem.settings.inner_steps
        with self._threads_of_torch():
            x, data, ids, places = self._seen(which, theta, rows)
            parameters = list(theta.to(self._real)) + ([] if data is None else list(data))
            energy = _Energy(self._modules[which], parameters)
            scheme, h = self._schemes[which], self._steps[which]
            options = {"backend": "torch", "dtype": self._dtype, "device": self._device}
            tape = _Tape(self._noises[which], ids, len(x), (update + 1) * inner, options)
            state = scheme.init(x, energy)
            for step in range(update * inner, (update + 1) * inner):
                state, _ = scheme.step(state, energy, h, _Draw(tape, step))
            self._put(which, state["x"], places)

    def average(self, which: Which, theta: Any, rows: IntArray | None) -> Any:
        """Mean of d_theta E over one phase."""
        with self._threads_of_torch():
            x, data, _, _ = self._seen(which, theta, rows)
            whole = x if data is None else self._torch.cat([data, x])
            slopes = self._slopes.slopes(whole, list(theta.to(self._real)))
            out = self._torch.zeros_like(theta)
            for k, slope in zip(self._learned, slopes, strict=True):
                # a derivative that is the same everywhere has no particle axis yet
                each = slope + self._torch.zeros_like(whole[0])
                out[k] = tree_sum(each.double()) / whole.shape[1]
            return out

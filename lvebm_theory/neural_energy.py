"""A multilayer perceptron plus a confining quadratic as an energy on R^d.

    U_theta(w) = f_theta(w) + <w - c, D (w - c)> / 2

f has bounded slope because the spectral norms of its weights are bounded; so exp(-U) is
integrable for every theta, grad U is Lipschitz, and U is dissipative, with constants that
``neural_bounds`` proves. All fields are evaluated here in float64 numpy, by hand-written
derivatives; engines that are fast take theta and the shape from here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from .arrays import FloatArray
from .errors import ArgumentError
from .facts import KnownFacts
from .formula_energy import flattened, particles, with_entries
from .neural_bounds import bounds_at, bounds_within, facts_from, projected
from .neural_network import Network
from .protocols import Field, SourceBackend

#: caps of |W_1|, .., |W_L|, |v| where none are given: loose for data of unit variance
FIRST_CAP, INNER_CAP, READOUT_CAP = 8.0, 12.0, 6.0


def _vector(owner: str, name: str, value: Any, size: int) -> FloatArray:
    array = np.asarray(value, dtype=float)
    array = np.full(size, float(array)) if array.ndim == 0 else array.copy()
    if array.shape != (size,) or not np.all(np.isfinite(array)):
        raise ArgumentError(f"{owner}: {name} needs {size} finite numbers, got {value!r}")
    return array


def _caps(network: Network, given: Sequence[float] | None) -> tuple[float, ...]:
    depth = len(network.widths)
    if given is None:
        return (FIRST_CAP, *(INNER_CAP,) * (depth - 1), READOUT_CAP)
    caps = tuple(float(cap) for cap in given)
    if len(caps) != depth + 1 or not all(np.isfinite(cap) and cap > 0 for cap in caps):
        raise ArgumentError(
            f"spectral caps are {depth + 1} positive numbers, one per layer and the readout; "
            f"got {tuple(given)}"
        )
    return caps


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NeuralEnergy:
    """U(w) = f_theta(w) + <w - c, D (w - c)>/2 + offset on R^d, theta a run-time value.

    Parameters
    ----------
    dim : int
    widths : tuple of int
        Hidden widths of f.
    activation : "silu", "tanh" or "softplus"
    confinement : float or (d,)
        The diagonal of D, > 0.
    centre : float or (d,)
        c.
    spectral_caps : L + 1 numbers, optional
        What ``projected`` keeps |W_1|, ..., |W_L| and |v| within; ``facts_within_caps`` holds for
        every theta there.
    theta : (n_theta,), optional
        Layout: ``neural_network``. Without it: drawn from ``seed``, then projected.
    offset : float
        A constant that cancels against Z.

    Raises
    ------
    ArgumentError
        For wrong shapes, values that are not finite, confinement or caps that are not > 0.
    """

    dim: int
    widths: tuple[int, ...] = (64, 64)
    activation: str = "silu"
    confinement: Any = 0.1
    centre: Any = 0.0
    spectral_caps: Any = None
    theta: Any = None
    seed: int = 0
    offset: float = 0.0
    name: str = "neural_energy"
    network: Network = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.dim, bool) or int(self.dim) != self.dim or self.dim < 1:
            raise ArgumentError(f"an energy needs a dimension 1, 2, 3, ..., got {self.dim!r}")
        put = object.__setattr__
        network = Network(
            inputs=int(self.dim), widths=tuple(self.widths), activation=self.activation
        )
        put(self, "network", network)
        put(self, "widths", network.widths)
        put(self, "spectral_caps", _caps(network, self.spectral_caps))
        put(self, "centre", _vector(self.name, "centre", self.centre, self.dim))
        put(self, "confinement", _vector(self.name, "confinement", self.confinement, self.dim))
        if not np.all(self.confinement > 0):
            raise ArgumentError(f"{self.name}: confinement must be > 0, got {self.confinement}")
        if self.theta is None:
            theta = projected(network, network.initial(self.seed), self.spectral_caps)
        else:
            theta = _vector(self.name, "theta", self.theta, network.size)
        theta.setflags(write=False)
        put(self, "theta", theta)

    def __repr__(self) -> str:
        shape = "-".join(map(str, self.widths))
        return f"{self.name}({self.dim} to {shape}, {self.activation}, {self.network.size} weights)"

    @property
    def smooth(self) -> bool:
        """True: every activation here is infinitely differentiable."""
        return True

    @cached_property
    def parameters(self) -> Mapping[str, float]:
        """theta by name: ``weight_1_i_j``, ``bias_1_i``, ..., ``readout_i``."""
        return MappingProxyType(flattened(dict(self.network.parts(self.theta))))

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """Hashable identity: equal for equal shapes, confinement and parameter values."""
        digest = hashlib.blake2b(digest_size=16)
        for array in (self.theta, self.confinement, self.centre):
            digest.update(array.tobytes())
        return ("neural", self.network, self.offset, digest.hexdigest())

    @cached_property
    def facts(self) -> KnownFacts:
        """Certified smoothness, convexity and dissipativity at this theta."""
        bounds = bounds_at(self.network, self.theta)
        return facts_from(bounds, self.confinement, self.centre, "of this theta")

    @cached_property
    def facts_within_caps(self) -> KnownFacts:
        """The same for every theta that ``projected`` can return: uniform along a run."""
        bounds = bounds_within(self.network, self.spectral_caps)
        return facts_from(bounds, self.confinement, self.centre, "within their caps")

    def projected(self, theta: FloatArray) -> FloatArray:
        """The nearest parameters within the caps, shape (n_theta,)."""
        return projected(self.network, theta, self.spectral_caps)

    def parameter_vector(self) -> FloatArray:
        """theta, shape (n_theta,)."""
        return np.array(self.theta)

    def with_parameter_vector(self, theta: FloatArray) -> NeuralEnergy:
        """The same shape at another theta (n_theta,)."""
        return replace(self, theta=theta)

    def with_parameters(self, **parameters: Any) -> NeuralEnergy:
        """Some parameters replaced: whole parts (``readout``) or entries (``readout_3``)."""
        return self.with_parameter_vector(replaced(self.network, self.theta, parameters))

    def potential(self, x: FloatArray) -> FloatArray:
        """U at x (n, d); shape (n,)."""
        centred = particles(x, self.dim) - self.centre
        bowl = 0.5 * (centred * centred) @ self.confinement
        return np.asarray(
            self.network.value(self.theta, centred + self.centre) + bowl + self.offset
        )

    def gradient(self, x: FloatArray) -> FloatArray:
        """Gradient of U at x (n, d); shape (n, d)."""
        x = particles(x, self.dim)
        bowl = (x - self.centre) * self.confinement
        return np.asarray(self.network.gradient(self.theta, x) + bowl)

    def hessian(self, x: FloatArray) -> FloatArray:
        """Hessian of U at x (n, d); shape (n, d, d)."""
        x = particles(x, self.dim)
        return np.asarray(self.network.hessian(self.theta, x) + np.diag(self.confinement))

    def laplacian(self, x: FloatArray) -> FloatArray:
        """Laplacian of U at x (n, d); shape (n,)."""
        return np.asarray(np.einsum("nii->n", self.hessian(x)))

    def parameter_gradient(self, x: FloatArray) -> FloatArray:
        """grad_theta U at x (n, d); shape (n, n_theta)."""
        return self.network.parameter_gradient(self.theta, particles(x, self.dim))

    def mean_parameter_gradient(self, x: FloatArray) -> FloatArray:
        """The mean over x (n, d) of grad_theta U; shape (n_theta,)."""
        return self.network.mean_parameter_gradient(self.theta, particles(x, self.dim))

    def on_tensors(self, x: Any, theta: Any) -> Any:
        """U at a torch tensor x (..., d) with a torch tensor theta (n_theta,); differentiable."""
        centred = x - x.new_tensor(self.centre)
        bowl = 0.5 * (centred * centred * x.new_tensor(self.confinement)).sum(-1)
        return self.network.on_tensors(theta, x) + bowl + self.offset

    def on_coordinates(self, field: Field, coordinates: Sequence[Any] | FloatArray) -> FloatArray:
        """A field on d broadcastable arrays: shapes (*b), (d, *b), (d, d, *b), (*b)."""
        if len(coordinates) != self.dim:
            raise ArgumentError(
                f"{self.name} has {self.dim} coordinates, got {len(coordinates)} arrays"
            )
        arrays = np.broadcast_arrays(*(np.asarray(c, dtype=float) for c in coordinates))
        values = getattr(self, field)(np.stack([a.ravel() for a in arrays], axis=1))
        moved = np.moveaxis(values, 0, -1)
        return np.asarray(moved.reshape(*moved.shape[:-1], *arrays[0].shape))

    def source(self, backend: SourceBackend) -> None:
        """None: there is no formula to spell."""
        return


def replaced(network: Network, theta: FloatArray, new: Mapping[str, Any]) -> FloatArray:
    """theta with whole parts, or entries of them, replaced by name; shape (n_theta,)."""
    parts = dict(network.parts(theta))
    values = with_entries(parts, new)
    if unknown := sorted(set(values) - set(parts)):
        raise ArgumentError(
            f"a neural energy has parameters {list(parts)} and their entries, got {unknown}"
        )
    for name, value in values.items():
        if np.shape(value) != parts[name].shape:
            raise ArgumentError(f"{name} needs shape {parts[name].shape}, got {np.shape(value)}")
    return network.joined([np.asarray(v, dtype=float) for v in values.values()])

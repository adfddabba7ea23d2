"""The exact Gaussian law of an affine recursion or of a linear SDE, read off its one step.

    s_{k+1} = A s_k + b + B xi_k           m <- A m + b,    C <- A C A' + Q,         Q = B B'
    ds = (A s + b) dt + B dW               m' = A m + b,    C' = A C + C A' + Q

Nobody writes A, b and B: the function that moves the particles is evaluated at the origin and at
unit vectors, then compared with A s + b + B xi at random points. A step that is not affine is
refused. No sampling anywhere; errors are those of rounding.

Source: linear systems with additive noise, as in Pavliotis, Stochastic Processes and Applications
(2014), chapter 3; the integrals by Van Loan, IEEE Trans. Automat. Control 23 (1978) 395; fixed
points by doubling, Smith, SIAM J. Appl. Math. 16 (1968) 198.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.gaussian import Gaussian

from .layout import Layout, State
from .reading import averaged_step, read_affine

Step = Callable[[Any, Any], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearLaw:
    """s+ = A s + b + B xi (``discrete``) or ds = (A s + b) dt + B dW.

    Laws at a time are ``Gaussian``; ``relative_entropy`` and ``wasserstein`` of
    ``lvebm_theory.gaussian`` compare two of them.

    Attributes
    ----------
    layout : Layout
        Which entries of the vector belong to which block.
    A : array (n, n)
    b : array (n,)
    Q : array (n, n)
        B B', covariance of the noise of one step or per unit of time.
    discrete : bool
    """

    layout: Layout
    A: FloatArray
    b: FloatArray
    Q: FloatArray
    discrete: bool

    @classmethod
    def of_step(
        cls,
        step: Step,
        state: State,
        noise: State,
        *,
        averaged: Mapping[str, int] | None = None,
    ) -> LinearLaw:
        """The law of a recursion.

        Parameters
        ----------
        step : callable
            ``step(state, noise) -> state`` on arrays whose leading axes broadcast.
        state, noise : mappings of arrays
            Names and shapes; values are not read.
        averaged : mapping of block to axis (negative), optional
            Blocks whose entries along that axis are exchangeable, to be replaced by their average:
            the law is then that of the averages, and its size does not grow with their number.
            The declaration is checked: at random states the average of the step has to equal the
            step of the averages.

        Raises
        ------
        ArgumentError
            When the step is not affine (it names the blocks), mixes leading axes, returns other
            blocks or shapes, or when averages do not evolve by themselves.
        """
        if averaged:
            step, state, noise = averaged_step(step, state, noise, averaged)
        found = read_affine(step, Layout.of(state), Layout.of(noise))
        return cls(
            layout=Layout.of(state), A=found.A, b=found.b, Q=found.B @ found.B.T, discrete=True
        )

    @classmethod
    def of_drift(
        cls, drift: Callable[[Any], Mapping[str, Any]], state: State, diffusion: State
    ) -> LinearLaw:
        """The law of ds = drift(s) dt + diffusion dW.

        Parameters
        ----------
        drift : callable
            ``drift(state) -> state``, rates of change; affine.
        state : mapping of arrays
            Names and shapes.
        diffusion : mapping
            The factor of dW of every entry (broadcasts); independent noise in each. Blocks that
            are left out have none.
        """
        layout = Layout.of(state)
        found = read_affine(lambda s, _: drift(s), layout, Layout(()))
        for name in diffusion:
            layout.at(name)
        factor = layout.pack(
            {
                name: np.broadcast_to(np.asarray(diffusion.get(name, 0.0), dtype=float), shape)
                for name, shape in layout.shapes
            }
        )
        return cls(layout=layout, A=found.A, b=found.b, Q=np.diag(factor**2), discrete=False)

    @property
    def rates(self) -> npt.NDArray[np.complex128]:
        """Eigenvalues of A, slowest first (n,): factors per step, or rates per unit of time."""
        values = np.linalg.eigvals(self.A).astype(np.complex128)
        return values[np.argsort(-(np.abs(values) if self.discrete else values.real))]

    @property
    def growth(self) -> float:
        """Spectral radius of A (discrete), or the largest real part of its eigenvalues."""
        slowest = self.rates[0]
        return float(abs(slowest) if self.discrete else slowest.real)

    @property
    def stable(self) -> bool:
        """Whether perturbations die out: growth < 1 (discrete) or < 0."""
        return self.growth < (1.0 if self.discrete else 0.0)

    def start(self, state: State, spread: Mapping[str, Any] | None = None) -> Gaussian:
        """N(state, diag(spread^2)); blocks without a spread are certain."""
        given = spread or {}
        deviations = self.layout.pack(
            {
                name: np.broadcast_to(np.asarray(given.get(name, 0.0), dtype=float), shape)
                for name, shape in self.layout.shapes
            }
        )
        return Gaussian(self.layout.pack(state), np.diag(deviations**2))

    def then(self, following: LinearLaw) -> LinearLaw:
        """This recursion's step followed by another's, as one step."""
        if not (self.discrete and following.discrete) or self.layout != following.layout:
            raise ArgumentError("two recursions of the same blocks are needed to follow each other")
        A, Q = following.A, following.Q
        return LinearLaw(
            layout=self.layout,
            A=A @ self.A,
            b=A @ self.b + following.b,
            Q=_symmetric(A @ self.Q @ A.T + Q),
            discrete=True,
        )

    def steps(self, n: int) -> LinearLaw:
        """n steps of a recursion as one, by repeated squaring."""
        if not self.discrete or n < 0:
            raise ArgumentError(f"a recursion and a count >= 0 are needed, got {n}")
        size = len(self.b)
        found = LinearLaw(
            layout=self.layout,
            A=np.eye(size),
            b=np.zeros(size),
            Q=np.zeros((size, size)),
            discrete=True,
        )
        power, left = self, int(n)
        while left:
            if left & 1:
                found = found.then(power)
            left >>= 1
            if left:
                power = power.then(power)
        return found

    def over(self, time: float) -> LinearLaw:
        """The recursion that an SDE is when it is looked at every ``time``; exact.

        Over a piece short enough that |A| t <= 1 the integrals come from one matrix exponential;
        the pieces are then put together, since over a long time that exponential overflows.
        """
        if self.discrete or not (math.isfinite(time) and time >= 0):
            raise ArgumentError(f"an SDE and a finite time >= 0 are needed, got {time}")
        norm = float(np.linalg.norm(self.A, 1)) * time
        pieces = 2 ** max(0, math.ceil(math.log2(norm))) if norm > 1 else 1
        t, n = time / pieces, len(self.b)
        both = np.zeros((2 * n + 1, 2 * n + 1))
        both[:n, :n], both[:n, n : 2 * n] = self.A, self.Q
        both[:n, 2 * n], both[n : 2 * n, n : 2 * n] = self.b, -self.A.T
        grown = scipy.linalg.expm(t * both)
        A = grown[:n, :n]
        one = LinearLaw(
            layout=self.layout,
            A=A,
            b=grown[:n, 2 * n],
            Q=_symmetric(grown[:n, n : 2 * n] @ A.T),
            discrete=True,
        )
        return one.steps(pieces)

    def apply(self, law: Gaussian) -> Gaussian:
        """The law after one step."""
        if not self.discrete:
            raise ArgumentError("an SDE has no step; use after(time)")
        covariance = self.A @ law.covariance @ self.A.T + self.Q
        return Gaussian(self.A @ law.mean + self.b, _symmetric(covariance))

    def after(self, n: float, start: Gaussian) -> Gaussian:
        """The law after n steps, or at time n."""
        if self.discrete:
            if n != int(n):
                raise ArgumentError(f"a recursion takes whole numbers of steps, got {n}")
            return self.steps(int(n)).apply(start)
        return self.over(n).apply(start)

    def stationary(self) -> Gaussian:
        """The stationary law: m = A m + b, C = A C A' + Q, or A m + b = 0, A C + C A' + Q = 0.

        Raises
        ------
        ArgumentError
            When the law is not stable; it says the spectral radius (or abscissa).
        """
        if not self.stable:
            what = "spectral radius" if self.discrete else "largest real part of an eigenvalue"
            bound = "< 1" if self.discrete else "< 0"
            raise ArgumentError(
                f"a stationary law needs a {what} {bound}, got {self.growth:.12g}: "
                "nothing holds that direction"
            )
        n = len(self.b)
        if not self.discrete:
            covariance = scipy.linalg.solve_continuous_lyapunov(self.A, -self.Q)
            return Gaussian(-np.linalg.solve(self.A, self.b), _symmetric(covariance))
        power, covariance = self.A, self.Q
        # sum_k A^k Q A'^k, twice as many terms each time; sums of what is not negative
        for _ in range(64):
            added = power @ covariance @ power.T
            covariance = _symmetric(covariance + added)
            if np.abs(added).max(initial=0.0) <= 1e-18 * np.abs(covariance).max(initial=0.0):
                break
            power = power @ power
        return Gaussian(np.linalg.solve(np.eye(n) - self.A, self.b), covariance)

    def block(self, name: str, law: Gaussian) -> Gaussian:
        """Law of a block's entries, in C order."""
        at = self.layout.at(name)
        return law.marginal(range(at.start, at.stop))

    def average(self, name: str, law: Gaussian) -> tuple[float, float]:
        """Mean and variance of the average over a block's entries."""
        part = self.block(name, law)
        return float(part.mean.mean()), float(part.covariance.mean())


def _symmetric(matrix: FloatArray) -> FloatArray:
    return np.asarray((matrix + matrix.T) / 2)

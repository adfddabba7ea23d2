"""Algorithms that the other files lack, each with one bug: written after the laws were frozen."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtr

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

from .entry import Entry, Step

TRIALS = 4
LONGEST = 5


def _squares(a: FloatArray) -> FloatArray:
    return np.asarray((a * a).sum(axis=1))


def _chosen(good: npt.NDArray[np.bool_], y: FloatArray, x: FloatArray) -> FloatArray:
    return np.where(good[:, None], y, x)


def _delayed_rejection(first_density: bool = True) -> Step:
    """Tierney and Mira (1999): after a rejection a second, smaller proposal from the same state.

    The second is accepted with pi(z) q1(z, y) [1 - a(z, y)] / (pi(x) q1(x, y) [1 - a(x, y)]).
    """

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        wide = np.sqrt(8 * step_size)
        y = x + wide * rng.standard_normal(x.shape)
        z = x + wide / 2 * rng.standard_normal(x.shape)
        at_x, at_y, at_z = (energy.potential(place) for place in (x, y, z))
        taken = np.log(rng.random(len(x))) < at_x - at_y
        # a(z, y) = 1 gives log 0, a rejection; a(x, y) = 1 only where y was taken already
        with np.errstate(divide="ignore", invalid="ignore"):
            back = np.log1p(-np.exp(np.minimum(at_z - at_y, 0.0)))
            there = np.log1p(-np.exp(np.minimum(at_x - at_y, 0.0)))
            ratio = at_x - at_z + back - there
        if first_density:
            ratio = ratio + (_squares(y - x) - _squares(y - z)) / (2 * wide * wide)
        second = np.log(rng.random(len(x))) < ratio
        return _chosen(taken, y, _chosen(second, z, x))

    return step


def _multiple_try(around_new: bool = True) -> Step:
    """Liu, Liang and Wong (2000), symmetric trials with weights pi."""

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        spread = np.sqrt(8 * step_size)
        trials = x + spread * rng.standard_normal((TRIALS, *x.shape))
        weights = np.stack([-energy.potential(trial) for trial in trials])
        picked = np.argmax(weights + rng.gumbel(size=weights.shape), axis=0)
        y = trials[picked, np.arange(len(x))]
        centre = y if around_new else x
        others = centre + spread * rng.standard_normal((TRIALS - 1, *x.shape))
        back = np.stack([-energy.potential(place) for place in (x, *others)])
        ratio = np.logaddexp.reduce(weights, axis=0) - np.logaddexp.reduce(back, axis=0)
        return _chosen(np.log(rng.random(len(x))) < ratio, y, x)

    return step


def _crank_nicolson(noise: Callable[[float], float] = lambda h: 1 / (1 + h / 2)) -> Step:
    """Cotter, Roberts, Stuart and White (2013): reversible under N(0, I), which leaves the ratio.

    y = [(1 - h/2) x + sqrt(2h) xi] / (1 + h/2), accepted by U - |x|^2/2.
    """

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h = step_size
        fade = (1 - h / 2) / (1 + h / 2)
        y = fade * x + noise(h) * np.sqrt(2 * h) * rng.standard_normal(x.shape)
        ratio = energy.potential(x) - _squares(x) / 2 - energy.potential(y) + _squares(y) / 2
        return _chosen(np.log(rng.random(len(x))) < ratio, y, x)

    return step


def _elliptical_slice(
    reference: float = 1.0,
) -> Callable[[FloatArray, Energy, np.random.Generator], FloatArray]:
    """Murray, Adams and MacKay (2010): the target is N(0, I) times exp(|x|^2/2 - U)."""

    def step(x: FloatArray, energy: Energy, rng: np.random.Generator) -> FloatArray:
        def height(place: FloatArray) -> FloatArray:
            return np.asarray(energy.potential(place) - reference * _squares(place) / 2)

        partner = rng.standard_normal(x.shape)
        level = height(x) + rng.standard_exponential(len(x))
        high = 2 * np.pi * rng.random(len(x))
        low, angle = high - 2 * np.pi, high
        found, done = x.copy(), np.zeros(len(x), dtype=bool)
        for _ in range(60):
            y = np.cos(angle)[:, None] * x + np.sin(angle)[:, None] * partner
            inside = ~done & (height(y) < level)
            found, done = _chosen(inside, y, found), done | inside
            if done.all():
                break
            low, high = np.where(angle < 0, angle, low), np.where(angle < 0, high, angle)
            angle = low + (high - low) * rng.random(len(x))
        return found

    return step


def _barker_proposal(tossed: float = 1.0) -> Step:
    """Livingstone and Zanella (2022): a symmetric move, turned round by a coin that sees grad U."""

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        gx = energy.gradient(x)
        z = np.sqrt(2 * step_size) * rng.standard_normal(x.shape)
        move = np.where(rng.random(x.shape) < expit(-tossed * z * gx), z, -z)
        y = x + move
        correction = np.logaddexp(0.0, move * gx) - np.logaddexp(0.0, -move * energy.gradient(y))
        ratio = energy.potential(x) - energy.potential(y) + correction.sum(axis=1)
        return _chosen(np.log(rng.random(len(x))) < ratio, y, x)

    return step


def _secant(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Density 1/(pi cosh p), by inversion of (2/pi) arctan exp p."""
    return np.asarray(np.log(np.tan(np.pi / 2 * rng.random(shape))))


def _bounded_speed(
    momenta: Callable[[np.random.Generator, tuple[int, ...]], FloatArray] = _secant,
) -> Step:
    """HMC with kinetic energy sum log cosh p, so that no coordinate is faster than one."""

    def kinetic(p: FloatArray) -> FloatArray:
        return np.asarray(np.logaddexp(p, -p).sum(axis=1))

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        eps, p = step_size, momenta(rng, x.shape)
        steps = rng.integers(1, LONGEST + 1, size=len(x))
        start = energy.potential(x) + kinetic(p)
        y, q, g = x, p, energy.gradient(x)
        for k in range(LONGEST):
            half = q - eps / 2 * g
            ahead = y + eps * np.tanh(half)
            slope = energy.gradient(ahead)
            going = k < steps
            y, q = _chosen(going, ahead, y), _chosen(going, half - eps / 2 * slope, q)
            g = _chosen(going, slope, g)
        end = energy.potential(y) + kinetic(q)
        return _chosen(np.log(rng.random(len(x))) < start - end, y, x)

    return step


def _coordinate_walk(keep_energy: bool = True) -> Step:
    """Metropolis within Gibbs: a random walk in one coordinate after the other."""

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        here = energy.potential(x)
        for i in range(x.shape[1]):
            y = x.copy()
            y[:, i] += np.sqrt(2 * step_size) * rng.standard_normal(len(x))
            there = energy.potential(y)
            good = np.log(rng.random(len(x))) < here - there
            x = _chosen(good, y, x)
            if keep_energy:
                here = np.where(good, there, here)
        return x

    return step


def _mala_from_one_key() -> Step:
    """The uniform of the test is the one from which the first normal was made."""

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h, gx, xi = step_size, energy.gradient(x), rng.standard_normal(x.shape)
        y = x - h * gx + np.sqrt(2 * h) * xi
        there, back = y - x + h * gx, x - y + h * energy.gradient(y)
        ratio = energy.potential(x) - energy.potential(y)
        ratio = ratio + (_squares(there) - _squares(back)) / (4 * h)
        return _chosen(np.log(ndtr(xi[:, 0])) < ratio, y, x)

    return step


_adjusted = functools.partial(Entry, kind="adjusted")

CORRECT = (
    _adjusted(name="delayed-rejection", family="random walk", make=_delayed_rejection),
    _adjusted(name="multiple-try", family="random walk", make=_multiple_try),
    _adjusted(name="crank-nicolson", family="random walk", make=_crank_nicolson),
    _adjusted(name="elliptical-slice", family="slice", make=_elliptical_slice),
    _adjusted(name="barker-proposal", family="random walk", make=_barker_proposal),
    _adjusted(name="hmc-bounded-speed", family="hmc", make=_bounded_speed),
    _adjusted(name="coordinate-walk", family="random walk", make=_coordinate_walk),
)

MUTANTS = (
    _adjusted(
        name="delayed-rejection-first-density-cancelled",
        family="random walk",
        make=lambda: _delayed_rejection(first_density=False),
        component="proposal correction",
        fault="q1(z, y)/q1(x, y) is taken to cancel in the second test, since q1 is symmetric",
        bias="second proposals towards the rejected first one are accepted too seldom",
    ),
    _adjusted(
        name="multiple-try-references-around-the-old",
        family="random walk",
        make=lambda: _multiple_try(around_new=False),
        component="proposal correction",
        fault="the reference points lie around the present state, not around the chosen one",
        bias="with many trials pi times its own smoothing by the proposal is left invariant",
    ),
    _adjusted(
        name="crank-nicolson-noise-not-normalised",
        family="random walk",
        make=lambda: _crank_nicolson(noise=lambda h: 1.0),
        component="noise scale",
        fault="noise sqrt(2h) in place of sqrt(2h)/(1 + h/2): reversible under a wider normal",
        bias="pi times N(0, (1 + h/2)^2)/N(0, 1)",
        variance=lambda h: (1 + h / 2) ** 2,
    ),
    _adjusted(
        name="elliptical-slice-counts-the-normal-twice",
        family="slice",
        make=lambda: _elliptical_slice(reference=0.0),
        component="Metropolis ratio",
        fault="the level is that of the whole density, of which N(0, I) is in the ellipse already",
        bias="targets pi times N(0, I)",
        variance=lambda h: 0.5,
    ),
    _adjusted(
        name="barker-proposal-half-gradient",
        family="random walk",
        make=lambda: _barker_proposal(tossed=0.5),
        component="drift",
        fault="the coin sees half the gradient, its correction the whole",
        bias="small steps target pi^{1/2}",
    ),
    _adjusted(
        name="hmc-bounded-speed-normal-momenta",
        family="hmc",
        make=lambda: _bounded_speed(lambda rng, shape: rng.standard_normal(shape)),
        component="momentum refresh",
        fault="standard normal momenta where the kinetic energy is log cosh p",
        bias="variance 1 in place of pi^2/4 in every momentum",
    ),
    _adjusted(
        name="coordinate-walk-energy-of-the-sweep",
        family="random walk",
        make=lambda: _coordinate_walk(keep_energy=False),
        component="Metropolis ratio",
        fault="every coordinate is tested against the energy at the start of the sweep",
        bias="none in one dimension",
    ),
    _adjusted(
        name="mala-one-key-for-proposal-and-test",
        family="mala",
        make=_mala_from_one_key,
        component="shared randomness",
        fault="one key gives the proposal's first normal and the uniform of the test",
        bias="upward moves in the first coordinate are rejected, downward ones accepted, too often",
    ),
)

r"""The deterministic residual, for a step that takes its noise as an argument.

Statement. Adjusted: |pi P f - pi f| = 0 by quadrature over x, xi and u. Unadjusted: for every x the
integral over xi of phi(R(x, x'(x, xi))) is zero, R the noise that the documented law reads back.
Level. No randomness, no error probability spent. VIOLATED when a residual exceeds its error width,
which is estimated from several resolutions with a safety factor, plus rounding.
Power. Down to the width, 1e-4 to 1e-8 of a standard deviation: far below what draws show.
Blind spots. One dimension, one noise per step, one jump in u; dependence between steps.
"""

from __future__ import annotations

import numpy as np

from lvebm_theory.arrays import FloatArray

from ...decide import Verdict
from ..dictionary import dictionary_of
from ..outcome import Outcome
from ..residual import LARGEST_NOISE, SAFETY, box_of, invariance_residual
from ..schemes.scheme import Scheme
from ..shapes import FINE_SCALE, LOCATION, SCALE, SKEWNESS, tame
from ..subject import Place, Subject

NAME = "invariance residual"
STATEMENT = "the residual of invariance vanishes, by quadrature over position and noise"
MOST_PLACES = 6
RESOLUTION = 0.01
_SHAPES = (LOCATION, SCALE, SKEWNESS, FINE_SCALE)


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    if not subject.kernel.takes_noise or "xi" not in subject.kernel.names:
        return "the step does not take its noise xi (and u) as arguments"
    if subject.kernel.with_momenta or subject.kernel.walkers is not None:
        return "quadrature is for single positions on the line"
    if subject.kernel.caller.layout == "one":
        return "quadrature asks for all chains at once"
    if not subject.keeps_target and subject.scheme is None:
        return "no documented one-step law; name one with scheme="
    return "" if _placed(subject) else "no target on the line"


def _placed(subject: Subject) -> list[Place]:
    found = [p for p in subject.places if p.target.dim == 1]
    if subject.scheme is not None:
        found = [p for p in found if not subject.scheme.reason(p.target, p.step_size)]
    return found[:MOST_PLACES]


def examine(subject: Subject) -> Outcome:
    """Places on the line, until one is violated."""
    resolved: list[float] = []
    places = _placed(subject)
    for place in places:
        if subject.scheme is not None and not subject.keeps_target:
            names, values, widths, units = _of_scheme(subject, subject.scheme, place)
        else:
            found = _of_target(subject, place)
            if found is None:
                continue
            names, values, widths, units = found
        excess = np.abs(values) - widths
        within = float(np.max((np.abs(values) + widths) / units))
        if excess.max() > 0:
            j = int(np.argmax(excess / units))
            return Outcome(
                verdict=Verdict.VIOLATED,
                detail=f"{names[j]}: residual {values[j]:.3g}, error width {widths[j]:.2g}",
                where=place.label,
                within=within,
            )
        if within <= RESOLUTION:
            resolved.append(within)
    if not resolved:
        return Outcome(
            verdict=Verdict.UNDECIDED,
            detail="no quadrature was fine enough: the step jumps in u in other ways than once",
        )
    return Outcome(
        verdict=Verdict.HOLDS,
        detail=f"residuals within {max(resolved):.2g} at {len(resolved)} of {len(places)} places",
        within=max(resolved),
    )


_Found = tuple[tuple[str, ...], FloatArray, FloatArray, FloatArray]


def _of_target(subject: Subject, place: Place) -> _Found | None:
    target, kernel = place.target, subject.kernel
    centre, spread, _, _ = target.scale
    box = box_of(target.energy.potential, float(centre[0]), float(spread[0]))
    if box is None or not box[0] < target.pilot.min() <= target.pilot.max() < box[1]:
        return None  # the box was looked for around the bulk: a far mode may lie beyond
    dictionary = dictionary_of(target)

    def step(x: FloatArray, xi: FloatArray, u: FloatArray) -> FloatArray:
        return kernel.with_noise(x, target, place.step_size, {"xi": xi, "u": u})

    # indicators of tails have kinks, which quadrature would meet in the wrong places
    smooth = [j for j, name in enumerate(dictionary.names) if "tail" not in name]
    smooth = [j for j in smooth if "low" not in dictionary.names[j]]
    smooth = [j for j in smooth if "high" not in dictionary.names[j]]
    smooth = [j for j in smooth if "gradient" not in dictionary.names[j]]
    found = invariance_residual(
        step,
        lambda x: dictionary(x)[:, smooth],
        target.energy.potential,
        box,
        rejects="u" in kernel.names,
        rounding=kernel.rounding,
    )
    if not found.jumps:
        return None
    names = tuple(dictionary.names[j] for j in smooth)
    return names, found.values, found.widths, dictionary.deviations[smooth]


def _of_scheme(subject: Subject, scheme: Scheme, place: Place) -> _Found:
    """Largest residuals over starts x, with the trapezoidal rule along xi at two resolutions."""
    target, kernel, h = place.target, subject.kernel, place.step_size
    centre, spread, _, _ = target.scale
    x = centre + spread * np.linspace(-3, 3, 25)[:, None]
    sums = []
    for count in (200, 320):
        xi = np.linspace(-LARGEST_NOISE, LARGEST_NOISE, count)
        mass = np.exp(-xi * xi / 2)
        mass /= mass.sum()
        starts = np.repeat(x, count, axis=0)
        noise = np.tile(xi, len(x))[:, None]
        after = kernel.with_noise(starts, target, h, {"xi": noise, "u": np.full(len(noise), 0.5)})
        r = tame(scheme.innovations(target, starts, after, h).normal[:, 0]).reshape(len(x), count)
        sums.append(np.stack([s(r) @ mass for s in _SHAPES], axis=1))
    coarse, fine = sums
    worst = np.abs(fine).argmax(axis=0)
    columns = np.arange(len(_SHAPES))
    rounded = 1e3 * kernel.rounding / scheme.noise_size(target, h)
    widths = SAFETY * np.abs(fine - coarse).max(axis=0) + 1e-9 + rounded
    names = tuple(f"{s.name} of the noise" for s in _SHAPES)
    return names, fine[worst, columns], widths, np.full(len(_SHAPES), 0.5)

r"""The documented one-step law: noise read back from a step is standard normal and independent.

Statement. Given x, the scheme's innovations R are independent standard normals, so for bounded phi
with E phi(N(0, 1)) = 0 and every bounded s: E[phi(R_i) s(x)] = 0, and E[phi(R) phi(R~)] = 0 for the
innovations of steps one and two calls apart. What a law fixes exactly (BAOAB's momentum given its
positions) is met exactly, up to rounding.
Level. The means are closed forms; payoffs are bounded by one and centred given the past. Starts are
arbitrary, so the bias of the step size, which is right, is accepted. Where a state or its drift is
so large that rounding would show in the noise, the payoff is zero: that is decided by the state
before. Power. A relative error e of the drift or e of the noise scale is found after about 2
L/(e^2 h) (drift) or L/e^2 (noise) calls.
Blind spots. Coordinates of the noise beyond ten that are evenly spread (of those between the first,
the middle and the last, only scale and drift are looked at); memory longer than three steps;
schemes whose law is known on Gaussians only are seen on Gaussians only.
"""

from __future__ import annotations

import numpy as np

from lvebm_theory.arrays import FloatArray

from ..dictionary import RARE, drawn
from ..schemes.scheme import Scheme
from ..shapes import LOCATION, SCALE, SHAPES, tame
from ..subject import Place, Subject, child
from ..trial import Trial

NAME = "one-step law"
STATEMENT = "the noise read back from a step is standard normal and independent"
SHARE = 0.4
STEPS = 3
_TOLERANCE = 1e4  # roundings
_FAR = {False: 1e5, True: 50.0}  # states in units of the noise, in double and single precision


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    if subject.scheme is None:
        return "no documented one-step law; name one with scheme="
    told = {subject.scheme.reason(p.target, p.step_size) for p in subject.places}
    return "" if "" in told else "; ".join(sorted(told))


#: what is looked at in every coordinate of the noise
EVERYWHERE = (
    "scale of noise",
    "location of noise against x",
    "location of noise against the gradient",
)


def _looked(count: int, name: str = "", seed: int = 0) -> list[int]:
    """Coordinates of the noise that a payoff looks at."""
    closely = {0, count // 2, count - 1}
    return sorted(closely | set(drawn(count, seed=seed)) if name in EVERYWHERE else closely)


def _of_one_step(place: Place, x: FloatArray, r: FloatArray) -> dict[str, FloatArray]:
    """Payoffs (n, noises) of one step: shapes of the noise alone, and against where it started."""
    target = place.target
    centre, spread, middle, width = target.scale
    d = target.for_step.dim
    place_of = np.arange(r.shape[1]) % d
    where = np.tanh(tame((x[:, :d] - centre[:d]) / spread[:d]))[:, place_of]
    force = np.tanh(tame(target.for_step.gradient(x[:, :d]) * spread[:d]))[:, place_of]
    energy = tame((target.energy.potential(x) - middle) / max(width, 1e-300))
    against = {
        "x": where,
        "the gradient": force,
        "the energy": np.tanh(energy / 2)[:, None],
    }
    if x.shape[1] > d:
        against["the momentum"] = np.tanh(tame(x[:, d:]))[:, place_of]
    found = {f"{s.name} of noise": s(r) for s in SHAPES}
    for name, value in against.items():
        for s in (LOCATION, SCALE):
            found[f"{s.name} of noise against {name}"] = s(r) * value
    return found


def _names(noises: int, ties: int, momenta: bool, seed: int) -> list[str]:
    """Names of the payoffs, in the order in which a sample makes them."""
    single = [f"{s.name} of noise" for s in SHAPES]
    for place in ("x", "the gradient", "the energy", *(("the momentum",) if momenta else ())):
        single += [f"{s.name} of noise against {place}" for s in (LOCATION, SCALE)]
    single += [f"{s.name} of noise, two calls in a row" for s in (LOCATION, SCALE)]
    single += ["location of noise, two calls apart"]
    single += [f"{s.name} of noise at the last call" for s in (LOCATION, SCALE)]
    # "noise" becomes "noise 0" and so on
    found = [
        name.replace("of noise", f"of noise {i}", 1)
        for name in single
        for i in _looked(noises, name, seed)
    ]
    if noises > 1:
        found += [f"{s.name} of noise 0 and of the last noise" for s in (LOCATION, SCALE)]
    if ties:
        found.append("what the law fixes exactly")
    return found


def _sizes(names: list[str]) -> tuple[FloatArray, FloatArray]:
    """Deviations of the payoffs under the law, for units, and bounds on them."""
    shapes = {s.name: (s.deviation, s.size) for s in SHAPES}
    units, bounds = [], []
    for name in names:
        deviation, size = next((v for k, v in shapes.items() if name.startswith(k)), (1.0, 1.0))
        pair = " in a row" in name or " apart" in name or " and of the last" in name
        units.append(deviation * (deviation if pair else 0.7 if " against " in name else 1.0))
        bounds.append(size * size if pair else size)
    return np.maximum(units, RARE), np.array(bounds)


def trial(subject: Subject, scheme: Scheme, place: Place) -> Trial:
    """The one-step law at one place."""
    target, h = place.target, place.step_size
    centre = target.scale[0]
    probe = target.draw(np.random.default_rng(0), 2)
    shape = scheme.innovations(target, probe, probe, h)
    noises, ties = shape.normal.shape[1], shape.exact.shape[1]
    d = target.for_step.dim
    far = _FAR[subject.kernel.rounding > 1e-10]
    unit = far * scheme.noise_size(target, h)

    def near(x: FloatArray) -> FloatArray:
        g = target.for_step.gradient(x[:, :d])
        size = np.abs(x).max(axis=1) + h * (np.abs(g).max(axis=1) + np.abs(x).max(axis=1))
        return np.asarray(size <= unit, dtype=np.float64)

    def sample(rng: np.random.Generator, count: int) -> FloatArray:
        x = subject.draw(place, rng, count * subject.group)
        # a wider start as well: errors of the drift grow away from the mode
        x[::2] = subject.representable(centre + 2.0 * (x[::2] - centre))
        generator = child(rng)
        read: list[FloatArray] = []
        broken = np.zeros(len(x), dtype=bool)
        inside = [near(x)]
        columns: dict[str, FloatArray] = {}
        for step in range(STEPS):
            after = subject.advance(place, x, generator)
            with np.errstate(all="ignore"):
                found = scheme.innovations(target, x, after, h)
                read.append(tame(found.normal))
                # negated, so that what left the numbers is broken too
                limit = _TOLERANCE * subject.kernel.rounding
                broken |= ~np.all(np.abs(found.exact) <= limit, axis=1) & (inside[-1] > 0)
                for name, value in _of_one_step(place, x, read[-1]).items():
                    columns[name] = columns.get(name, 0.0) + value * inside[-1][:, None] / STEPS
                x = np.nan_to_num(after, nan=0.0, posinf=0.0, neginf=0.0)
                inside.append(np.minimum(inside[-1], near(x)))
            if step > 0:
                pair = inside[step][:, None]
                for s in (LOCATION, SCALE):
                    product = s(read[step]) * s(read[step - 1]) * pair / (STEPS - 1)
                    name = f"{s.name} of noise, two calls in a row"
                    columns[name] = columns.get(name, 0.0) + product
        last = inside[STEPS - 1][:, None]
        columns["location of noise, two calls apart"] = LOCATION(read[0]) * LOCATION(read[2]) * last
        for s in (LOCATION, SCALE):
            columns[f"{s.name} of noise at the last call"] = s(read[2]) * last
        parts = [value[:, _looked(noises, name, subject.seed)] for name, value in columns.items()]
        if noises > 1:
            parts += [
                (s(read[0][:, 0]) * s(read[0][:, -1]) * inside[0])[:, None]
                for s in (LOCATION, SCALE)
            ]
        if ties:
            parts.append(broken.astype(np.float64)[:, None])
        return subject.averaged(np.concatenate(parts, axis=1))

    names = _names(noises, ties, target.dim > d, subject.seed)
    units, ranges = _sizes(names)
    return Trial(
        law=NAME,
        label=place.label,
        names=names,
        sample=sample,
        units=units,
        ranges=ranges,
        slack=8 * subject.kernel.rounding * far + 2 * target.error,
        calls=STEPS * subject.group,
        first=subject.fewest,
        about=place.about(STEPS),
    )


def trials(subject: Subject) -> list[Trial]:
    """Every place where the law is known."""
    scheme = subject.scheme
    if scheme is None:
        return []
    return [
        trial(subject, scheme, p)
        for p in subject.places
        if not scheme.reason(p.target, p.step_size)
    ]

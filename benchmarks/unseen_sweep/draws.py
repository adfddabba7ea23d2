"""Drawn energies, starts and times: the same ones for the same seed and row.

An energy is drawn in a frame of its own, where its features have size one, and written down as a
formula of x with a scale and a shift: U((x - shift)/scale). ``Piece`` keeps the formula and the
same function in numpy side by side; the library sees the formula alone, the reference the function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .line import Start

Array = npt.NDArray[np.float64]
Generator = np.random.Generator

SEED = 20261201


@dataclass(frozen=True)
class Piece:
    """A function of one variable: its text with ``X`` for the variable, and the function."""

    family: str
    text: str
    value: Callable[[Array], Array]
    far: tuple[float, float] = (-2.0, 2.0)  # where a start is far, or in a shallow well
    gap_is_zero: bool = False
    log_sobolev_is_zero: bool = False
    even: bool = False


@dataclass(frozen=True)
class Plane:
    """A function of two variables that is no product; features per axis guide the mesh."""

    family: str
    text: str
    value: Callable[[Array, Array], Array]
    centres: tuple[tuple[float, float, float], ...]  # x, y, size


@dataclass(frozen=True)
class Row:
    """One row of the sweep, in its own frame and as the library sees it."""

    number: int
    family: str
    text: str
    dim: int
    starts: tuple[tuple[tuple[float, ...], float], ...]  # means and sd, in the frame
    first: float  # times are first * 2^k in the frame
    doublings: tuple[int, ...]
    scale: float
    shift: float
    angle: float
    pieces: tuple[Piece, ...] = ()
    plane: Plane | None = None

    def times(self) -> list[float]:
        """As the library gets them."""
        return [self.first * 2.0**k * self.scale**2 for k in self.doublings]

    def start_text(self, k: int) -> str:
        """As the library gets it."""
        means, sd = self.starts[k]
        there = [self.shift + self.scale * m for m in self.turned(means)]
        return ", ".join(f"normal({m!r}, {self.scale * sd!r})" for m in there)

    def start(self, k: int) -> tuple[Start, ...]:
        """In the frame of the pieces, of the numbers that the library gets."""
        means, sd = self.starts[k]
        there = [self.shift + self.scale * m for m in self.turned(means)]
        back = self.turned(tuple((m - self.shift) / self.scale for m in there), -1)
        return tuple(Start(m, sd) for m in back)

    def turned(self, point: tuple[float, ...], sense: int = 1) -> tuple[float, ...]:
        """From the frame of the pieces to the axes of the library, without scale and shift."""
        if self.dim == 1:
            return point
        c, s = math.cos(self.angle), sense * math.sin(self.angle)
        return (c * point[0] - s * point[1], s * point[0] + c * point[1])


def number(value: float, digits: int = 3) -> float:
    """Short in the formula, the same in the function."""
    return float(f"{value:.{digits}g}")


def term(value: float) -> str:
    """A coefficient inside a sum."""
    return f"({value!r})" if value < 0 else f"{value!r}"


def log_uniform(rng: Generator, low: float, high: float) -> float:
    return number(math.exp(rng.uniform(math.log(low), math.log(high))))


def double_well(rng: Generator) -> Piece:
    """A tilted double well, steep or not."""
    b = log_uniform(rng, 0.5, 40)
    tilt = number(b * rng.uniform(-0.9, 0.9))
    side = 1.0 if tilt > 0 else -1.0  # the shallow well
    return Piece(
        "tilted double well",
        f"{b!r}*((X)**2-1)**2+{term(tilt)}*(X)",
        lambda x: b * (x**2 - 1) ** 2 + tilt * x,
        far=(side * 0.95, side * 1.6),
    )


def expanded_well(rng: Generator) -> Piece:
    """a (x^4/4 - x^2/2 + c x), a up to 200."""
    a, c = log_uniform(rng, 5, 200), number(rng.uniform(-0.3, 0.3))
    side = 1.0 if c > 0 else -1.0
    return Piece(
        "expanded quartic",
        f"{a!r}*((X)**4/4-(X)**2/2+{term(c)}*(X))",
        lambda x: a * (x**4 / 4 - x**2 / 2 + c * x),
        far=(side * 0.9, side * 1.5),
    )


def polynomial(rng: Generator) -> Piece:
    """Degree 4, 6 or 8 with lower coefficients drawn."""
    degree = int(rng.choice([4, 6, 8]))
    size = log_uniform(rng, 0.3, 6)
    c = [number(size * rng.normal() * 2 / k) for k in range(1, degree)]
    top = number(size * rng.uniform(0.4, 1.0))
    text = f"{top!r}*(X)**{degree}" + "".join(f"+{term(v)}*(X)**{k}" for k, v in enumerate(c, 1))

    def value(x: Array) -> Array:
        total = np.full_like(x, top)
        for v in (*c[::-1], 0.0):
            total = total * x + v
        return total

    return Piece(f"polynomial of degree {degree}", text, value, far=(-1.8, 1.8))


def triple_well(rng: Generator) -> Piece:
    """Three wells of degree six, factored, tilted."""
    a, w, tilt = log_uniform(rng, 1, 12), number(rng.uniform(1.2, 2.0)), number(rng.normal())
    c = w**2
    return Piece(
        "triple well",
        f"{a!r}*(X)**2*((X)**2-{w!r}**2)**2/4+{term(tilt)}*(X)",
        lambda x: a * x**2 * (x**2 - c) ** 2 / 4 + tilt * x,
        far=(-w, w),
    )


def softplus(rng: Generator) -> Piece:
    """A parabola and logistic terms, or logistic terms alone (linear tails)."""
    flat = rng.random() < 0.3
    m = int(rng.integers(2, 6))
    a = [number(rng.choice([-1, 1]) * rng.uniform(0.4, 4)) for _ in range(m)]
    b = [number(rng.normal() * 1.5) for _ in range(m)]
    if flat:
        a[0], a[1] = abs(a[0]), -abs(a[1])
    w = [number(rng.uniform(0.5, 3)) for _ in range(m)]
    q = 0.0 if flat else log_uniform(rng, 0.1, 2)
    parts = [f"{v!r}*log(1+exp({term(s)}*(X)+{term(o)}))" for v, s, o in zip(w, a, b, strict=True)]
    text = "+".join(([] if flat else [f"{q!r}*(X)**2/2"]) + parts)

    def value(x: Array) -> Array:
        total = q * x**2 / 2
        for v, s, o in zip(w, a, b, strict=True):
            total = total + v * np.logaddexp(0, s * x + o)
        return total

    return Piece(
        "softplus sum" + (", linear tails" if flat else ""),
        text,
        value,
        far=(-5.0, 5.0),
        log_sobolev_is_zero=flat,
    )


def mixture(rng: Generator) -> Piece:
    """Two to four Gaussian modes, some narrow, some far."""
    m = int(rng.integers(2, 5))
    reach = float(rng.choice([3.0, 6.0, 15.0, 25.0], p=[0.4, 0.35, 0.15, 0.1]))
    mean = [number(rng.uniform(-reach, reach)) for _ in range(m)]
    sd = [log_uniform(rng, 0.05, 1.5) for _ in range(m)]
    mean[0], sd[0] = 0.0, 1.0
    weight = [number(rng.uniform(0.2, 1)) for _ in range(m)]
    rate = [number(1 / (2 * s**2)) for s in sd]
    text = "+".join(
        f"{w!r}*exp(-{r!r}*((X)-{term(c)})**2)" for w, r, c in zip(weight, rate, mean, strict=True)
    )

    def value(x: Array) -> Array:
        logs = [math.log(w) - r * (x - c) ** 2 for w, r, c in zip(weight, rate, mean, strict=True)]
        return -np.asarray(np.logaddexp.reduce(logs))

    return Piece(
        f"mixture of {m}", f"-log({text})", value, far=(mean[1], float(rng.uniform(-3, 3)))
    )


def slow_tails(rng: Generator) -> Piece:
    """Tails slower than a parabola by a logarithm, linear, or logarithmic."""
    kind = int(rng.integers(5))
    if kind == 0:
        c, b = log_uniform(rng, 0.5, 10), log_uniform(rng, 1, 1e3)
        return Piece(
            "parabola over logarithm",
            f"(X)**2/(1+{c!r}*log(1+(X)**2/{b!r}))",
            lambda x: x**2 / (1 + c * np.log1p(x**2 / b)),
            far=(-8.0, 8.0),
            log_sobolev_is_zero=True,
        )
    if kind == 1:
        a = number(rng.uniform(4, 9))
        return Piece(
            "logarithmic tails",
            f"{a!r}*log(1+(X)**2)",
            lambda x: a * np.log1p(x**2),
            far=(-3.0, 3.0),
            gap_is_zero=True,
            log_sobolev_is_zero=True,
        )
    if kind == 2:
        a = number(rng.uniform(0.8, 3))
        return Piece(
            "hyperbola",
            f"{a!r}*sqrt(1+(X)**2)",
            lambda x: a * np.sqrt(1 + x**2),
            far=(-6.0, 6.0),
            log_sobolev_is_zero=True,
        )
    if kind == 3:
        p, a = number(rng.uniform(0.55, 0.95)), number(rng.uniform(0.6, 2))
        return Piece(
            "power between one and two",
            f"{a!r}*(1+(X)**2)**{p!r}",
            lambda x: a * (1 + x**2) ** p,
            far=(-6.0, 6.0),
            log_sobolev_is_zero=True,
        )
    a, k = number(rng.uniform(0.3, 3)), number(rng.uniform(0.5, 4))
    return Piece(
        "log cosh with a parabola",
        f"{a!r}*log_cosh({k!r}*(X))+(X)**2/8",
        lambda x: a * (np.logaddexp(k * x, -k * x) - math.log(2)) + x**2 / 8,
        far=(-5.0, 5.0),
    )


def gentle(rng: Generator) -> Piece:
    """For products in the plane."""
    kind = int(rng.integers(4))
    if kind == 0:
        k = log_uniform(rng, 0.3, 8)
        return Piece("parabola", f"{k!r}*(X)**2/2", lambda x: k * x**2 / 2)
    if kind == 1:
        b, tilt = log_uniform(rng, 0.5, 6), number(rng.normal())
        return Piece(
            "double well",
            f"{b!r}*((X)**2-1)**2+{term(tilt)}*(X)",
            lambda x: b * (x**2 - 1) ** 2 + tilt * x,
        )
    return softplus(rng) if kind == 2 else polynomial(rng)


LINE = (
    double_well,
    expanded_well,
    polynomial,
    triple_well,
    softplus,
    mixture,
    mixture,
    slow_tails,
)


def plane(rng: Generator) -> Plane:
    """Mixtures, posteriors of logistic regression, rings: no products."""
    kind = int(rng.integers(3))
    if kind == 0:
        m = int(rng.integers(2, 7))
        mean = [(number(rng.uniform(-4, 4)), number(rng.uniform(-4, 4))) for _ in range(m)]
        sd = [log_uniform(rng, 0.25, 1.2) for _ in range(m)]
        mean[0], sd[0] = (0.0, 0.0), 1.0
        rate = [number(1 / (2 * s**2)) for s in sd]
        text = "+".join(
            f"exp(-{r!r}*((X-{term(a)})**2+(Y-{term(b)})**2))"
            for r, (a, b) in zip(rate, mean, strict=True)
        )

        def mixed(x: Array, y: Array) -> Array:
            logs = [
                -r * ((x - a) ** 2 + (y - b) ** 2) for r, (a, b) in zip(rate, mean, strict=True)
            ]
            return -np.asarray(np.logaddexp.reduce(logs))

        centres = tuple((a, b, s) for (a, b), s in zip(mean, sd, strict=True))
        return Plane(f"planar mixture of {m}", f"-log({text})", mixed, centres)
    if kind == 1:
        m = int(rng.integers(3, 7))
        a = [(number(rng.normal()), number(rng.normal())) for _ in range(m)]
        text = "((X)**2+(Y)**2)/2" + "".join(
            f"+log(1+exp({term(p)}*(X)+{term(q)}*(Y)))" for p, q in a
        )

        def logistic(x: Array, y: Array) -> Array:
            total = (x**2 + y**2) / 2
            for p, q in a:
                total = total + np.logaddexp(0, p * x + q * y)
            return np.asarray(total)

        return Plane("logistic posterior", text, logistic, ((0.0, 0.0, 1.0),))
    b, s, t = log_uniform(rng, 1, 6), number(rng.normal() * 0.5), number(rng.uniform(0, 1))
    return Plane(
        "tilted ring",
        f"{b!r}*((X)**2+(Y)**2-1)**2+{term(s)}*(X)+{t!r}*(X)*(Y)",
        lambda x, y: b * (x**2 + y**2 - 1) ** 2 + s * x + t * x * y,
        ((0.0, 0.0, 1.0),),
    )


def row(k: int, seed: int = SEED) -> Row:
    """Row k; every eighth is a rotated product in the plane, every tenth no product."""
    rng = np.random.default_rng([seed, k])
    shape = "product" if k % 8 == 5 else "plane" if k % 10 == 8 else "line"
    scale, shift = _frame(rng)
    angle = 0.0
    pieces: tuple[Piece, ...] = ()
    flat: Plane | None = None
    first = log_uniform(rng, 2e-3, 0.3)
    doublings = tuple(sorted(int(v) for v in rng.choice(np.arange(0, 7), 3, replace=False)))
    if shape == "line":
        piece = LINE[int(rng.integers(len(LINE)))](rng)
        pieces, family, text = (piece,), piece.family, piece.text.replace("(X)", "(X)")
        text = text.replace("X", _variable("x", scale, shift))
        near, far = float(rng.uniform(-1, 1)), piece.far[int(rng.integers(2))]
        starts = (
            ((number(near),), log_uniform(rng, 0.01, 0.15)),
            ((number(near / 2),), log_uniform(rng, 0.6, 1.8)),
            ((number(far),), log_uniform(rng, 0.05, 0.4)),
        )
    else:
        scale, shift = (scale, shift) if rng.random() < 0.5 else (1.0, 0.0)
        x, y = _variable("x", scale, shift), _variable("y", scale, shift)
        if shape == "product":
            pieces = (gentle(rng), gentle(rng))
            angle = number(rng.uniform(0, 3.1))
            c, s = f"cos({angle!r})", f"sin({angle!r})"
            along, across = f"({c}*({x})+{s}*({y}))", f"({c}*({y})-{s}*({x}))"
            text = pieces[0].text.replace("X", along) + "+" + pieces[1].text.replace("X", across)
            family = f"rotated product: {pieces[0].family}, {pieces[1].family}"
        else:
            flat = plane(rng)
            family = flat.family
            text = flat.text.replace("X", f"({x})").replace("Y", f"({y})")
        near = tuple(number(v) for v in rng.uniform(-1, 1, 2))
        far = tuple(number(v) for v in rng.uniform(-2, 2, 2))
        starts = (
            (near, log_uniform(rng, 0.08, 0.3)),
            (near, log_uniform(rng, 0.6, 1.4)),
            (far, log_uniform(rng, 0.15, 0.4)),
        )
    return Row(
        number=k,
        family=family,
        text=text,
        dim=1 if shape == "line" else 2,
        starts=starts,
        first=first,
        doublings=doublings,
        scale=scale,
        shift=shift,
        angle=angle,
        pieces=pieces,
        plane=flat,
    )


def _frame(rng: Generator) -> tuple[float, float]:
    """Scale and shift: half of the rows plain, the rest scaled, shifted, or both."""
    kind = int(rng.integers(6))
    scale = log_uniform(rng, 1e-4, 1e4) if kind in (3, 5) else 1.0
    shift = number(rng.choice([-1, 1]) * log_uniform(rng, 1, 1e6)) if kind in (4, 5) else 0.0
    if abs(shift) > 1e6 * scale:  # beyond, x - shift has too few digits to speak of U
        shift = number(shift * scale)
    return scale, shift


def _variable(name: str, scale: float, shift: float) -> str:
    moved = name if shift == 0 else f"({name}-{term(shift)})"
    return moved if scale == 1 else f"{moved}/{scale!r}"

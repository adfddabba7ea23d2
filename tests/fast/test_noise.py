"""Noise: known answers, the same numbers everywhere, and the right law."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from mpmath import mp

from lvebm_theory.errors import ArgumentError
from solvers.noise import Noise, box_muller
from solvers.noise.philox import philox4x32

torch = pytest.importorskip("torch")
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]

# kat_vectors of Random123, philox4x32, 10 rounds: counter, key, result
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def ulps(a: Any, b: Any) -> float:
    """Largest difference in units of the last place of the larger value."""
    a, b = np.asarray(a), np.asarray(b)
    return float(np.max(np.abs(a - b) / np.spacing(np.maximum(np.abs(a), np.abs(b)))))


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers_of_random123(
    counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert philox4x32(*counter, *key) == expected


@pytest.mark.parametrize("backend", ["numpy", "numba", "torch"])
@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_every_back_end_gives_the_known_answers_through_its_public_address(
    backend: Any, counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    noise = Noise(seed=key[0] + 2**32 * key[1], stream=counter[2] + 2**32 * counter[3])
    for device in DEVICES if backend == "torch" else ["cpu"]:
        words = noise.integers([counter[1]], counter[0], backend=backend, device=device)
        assert tuple(int(w) for w in words[0]) == expected


@pytest.mark.parametrize("device", DEVICES)
def test_integers_are_identical_on_every_back_end(device: str) -> None:
    noise = Noise(2**64 - 12345, "some stream")
    particles = np.array([0, 1, 7, 255, 256, 10**6, 2**31, 2**32 - 1])
    expected = noise.integers(particles, 2**31 + 5)
    assert np.array_equal(expected, noise.integers(particles, 2**31 + 5, backend="numba"))
    on_torch = noise.integers(particles, 2**31 + 5, backend="torch", device=device)
    assert np.array_equal(expected, on_torch.cpu().numpy())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bits", [53, 32])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("law", ["normals", "uniforms"])
def test_normals_agree_to_4_ulp_on_every_back_end(
    law: str, dtype: Any, bits: Any, device: str
) -> None:
    draw = getattr(Noise(11, 3, bits), law)
    expected = draw(50_000, 17, 3, dtype=dtype)
    compiled = draw(50_000, 17, 3, backend="numba", dtype=dtype)
    tensor = draw(50_000, 17, 3, backend="torch", dtype=dtype, device=device).cpu().numpy()
    assert expected.dtype == compiled.dtype == tensor.dtype == np.dtype(dtype)
    assert ulps(expected, compiled) <= 4  # compiled code fuses multiply and add
    assert ulps(expected, tensor) <= 4


def test_values_depend_on_their_address_only() -> None:
    noise = Noise(5)
    whole = noise.normals(1000, 9, 3)
    assert np.array_equal(noise.normals([999, 4, 4], 9, 3), whole[[999, 4, 4]])
    compiled = noise.normals(1000, 9, 3, backend="numba")
    part = noise.normals(range(100, 357), 9, 3, backend="numba")
    assert np.array_equal(part, compiled[100:357])
    tape = noise.tape(10, 0, 40)
    for step, dim in ((0, 1), (1, 1), (2, 3), (5, 4), (3, 7)):
        assert np.array_equal(noise.normals(10, step, dim).T, tape[step * dim : (step + 1) * dim])


def test_uniforms_come_from_calls_that_no_normal_uses() -> None:
    noise = Noise(7, "two laws")
    words = noise.integers(100, 2**31 + 4)
    first, second = noise.tape(100, 8, 2, law="uniforms")
    assert np.array_equal(first, ((words[:, 0] * 2**20 + (words[:, 1] >> 12)) + 0.5) / 2**52)
    assert np.array_equal(second, ((words[:, 2] * 2**20 + (words[:, 3] >> 12)) + 0.5) / 2**52)


def test_seeds_streams_steps_and_laws_give_different_numbers() -> None:
    base = Noise(1, 2)
    others = [Noise(2, 2), Noise(1, 3), Noise(1, 2**32 + 2), Noise(2**32 + 1, 2), base.derive("a")]
    here = base.normals(100, 0, 1)
    for other in others:
        assert not np.any(other.normals(100, 0, 1) == here)
    assert not np.any(base.normals(100, 1, 1) == here)
    assert base.derive("a") == base.derive("a")
    assert base.derive("a") != base.derive("b")
    assert base.derive(1) != base.derive("1")
    assert not np.isin(base.uniforms(1000, 0), base.uniforms(1000, 1)).any()


def test_float64_with_32_bits_follows_the_float32_path() -> None:
    noise = Noise(3, bits=32)
    wide, narrow = noise.normals(10_000, 0, 2), noise.normals(10_000, 0, 2, dtype="float32")
    # the float32 angle and log carry about 2^-22 relative to the radius, at most 6.8
    assert np.max(np.abs(wide - narrow)) < 6.8 * 2.0**-21
    rounded = Noise(3, bits=53).normals(10_000, 0, 2, dtype="float32")
    assert np.array_equal(rounded, Noise(3).normals(10_000, 0, 2).astype(np.float32))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Noise(-1),
        lambda: Noise(2**64),
        lambda: Noise(0, 2**64),
        lambda: Noise(0, bits=24),  # type: ignore[arg-type]
        lambda: Noise(0).normals([-1], 0, 1),
        lambda: Noise(0).normals([2**32], 0, 1),
        lambda: Noise(0).normals(1, -1, 1),
        lambda: Noise(0).normals(1, 2**32, 1),
        lambda: Noise(0).normals(1, 0, 1, backend="jax"),  # type: ignore[arg-type]
    ],
)
def test_unusable_addresses_are_refused(make: Any) -> None:
    with pytest.raises(ArgumentError):
        make()


def test_the_whole_tape_up_to_its_end_can_be_read() -> None:
    last = 2**32 - 1  # two normals per Philox index, indices up to 2^31 - 1
    assert np.all(np.isfinite(Noise(0).tape(4, last, 1)))
    with pytest.raises(ArgumentError, match="another stream"):
        Noise(0).tape(4, last, 2)


# the polynomials against 40 digits, and the law that follows from them


def relative_error(values: Any, exact: list[Any]) -> float:
    return float(max(abs((mp.mpf(float(v)) - e) / e) for v, e in zip(values, exact, strict=True)))


@pytest.mark.parametrize(
    ("real", "log_error", "trig_error"), [("64", 3e-16, 3e-16), ("32", 1.7e-7, 1.7e-7)]
)
def test_log_and_circle_polynomials_are_good_to_the_type(
    real: str, log_error: float, trig_error: float
) -> None:
    mp.dps = 40
    dtype = np.float64 if real == "64" else np.float32
    rng = np.random.default_rng(1)
    low = -53 if real == "64" else -33
    u = np.concatenate(
        [rng.random(2000), 2.0 ** rng.uniform(low, 0, 2000), 1 - 2.0 ** rng.uniform(-20, -1, 500)]
    ).astype(dtype)
    u = u[(u > 0) & (u < 1)]
    exact = [mp.log(mp.mpf(float(v))) for v in u]
    assert relative_error(getattr(box_muller, f"log_{real}")(u), exact) < log_error
    t = np.concatenate([rng.uniform(-0.125, 0.125, 2000), 2.0 ** rng.uniform(-50, -3, 500)]).astype(
        dtype
    )
    angle = [2 * mp.pi * mp.mpf(float(v)) for v in t]
    cosine = getattr(box_muller, f"cos_eighth_{real}")(t)
    sine = getattr(box_muller, f"sin_eighth_{real}")(t)
    assert relative_error(cosine, [mp.cos(a) for a in angle]) < trig_error
    assert relative_error(sine, [mp.sin(a) for a in angle]) < trig_error


def test_every_quarter_turn_lands_in_its_quadrant() -> None:
    mp.dps = 40
    v = np.array([0, 2**50, 2**51 - 1, 2**51, 2**52, 2**52 + 2**50, 3 * 2**51, 2**53 - 1])
    cosine, sine = box_muller.circle_53(v)
    for k, (c, s) in enumerate(zip(cosine, sine, strict=True)):
        angle = 2 * mp.pi * (mp.mpf(int(v[k])) + mp.mpf(1) / 2) / 2**53
        assert abs(c - float(mp.cos(angle))) < 3e-16
        assert abs(s - float(mp.sin(angle))) < 3e-16


def test_the_farthest_normals_are_those_of_the_smallest_radius_uniform() -> None:
    zero, top = np.array([0]), np.array([2**32 - 1])
    first, _ = box_muller.normals_53(zero, zero, zero, zero)
    assert first[0] == pytest.approx(math.sqrt(2 * 53 * math.log(2)), rel=1e-15)
    far, *_ = box_muller.normals_32_in_32(zero, zero, zero, zero)
    assert far[0] == pytest.approx(math.sqrt(2 * 33 * math.log(2)), rel=1e-6)
    for function in (box_muller.normals_53, box_muller.normals_32_in_32):
        assert np.all(np.isfinite(function(top, top, top, top)))
        assert all(value.dtype.kind == "f" for value in function(top, zero, zero, top))


@pytest.mark.parametrize(("dtype", "bits"), [("float64", 53), ("float64", 32), ("float32", 32)])
def test_normals_have_the_moments_and_tails_of_the_normal_law(dtype: Any, bits: Any) -> None:
    """4e6 normals; every statistic within 5.5 standard errors (4e-8 each, 18 of them)."""
    z = Noise(2024, "law", bits).normals(10**6, 0, 4, backend="numba", dtype=dtype)
    z = z.astype(float).ravel()
    n = z.size
    moments = [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170), (8, 105, 2016000)]
    for power, mean, variance in moments:
        assert abs(np.mean(z**power) - mean) < 5.5 * math.sqrt(variance / n), power
    for edge in (0.5, 2.0, 3.5, 4.5):
        p = math.erfc(edge / math.sqrt(2))
        assert abs(np.mean(np.abs(z) > edge) - p) < 5.5 * math.sqrt(p / n), edge
    pairs = z.reshape(-1, 4)
    for i, j in ((0, 1), (1, 2), (2, 3), (0, 3)):
        assert abs(np.mean(pairs[:, i] * pairs[:, j])) < 5.5 / math.sqrt(n / 4)
        assert abs(np.mean((pairs[:, i] ** 2 - 1) * (pairs[:, j] ** 2 - 1))) < 11 / math.sqrt(n / 4)

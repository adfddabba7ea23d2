"""One step, every back end: paths on numba and torch against the numpy reading, moments against
the exact law. Systems are found by walking ``solvers.systems``."""

import importlib
import pkgutil

import numpy as np
import pytest
import torch
from scipy import stats

import solvers.systems
from lvebm_theory.bibliography import bibliography
from lvebm_theory.energies.bimodal_posterior import bimodal_posterior
from lvebm_theory.errors import ArgumentError, SolverError
from solvers.noise import Noise
from solvers.particles.language import exp, minimum, sqrt, stack, where
from solvers.systems.engines import block_noise
from solvers.systems.ipla import hierarchical_gaussian, ipla, sequential_ipla
from solvers.systems.learner import learner
from solvers.systems.linear_law import LinearLaw
from solvers.systems.loop_module import loop_text
from solvers.systems.pcd import pcd_ula
from solvers.systems.replicates import replicates
from solvers.systems.system import PerStep, System
from solvers.systems.trace import trace_system

ALPHA = 1e-6
PLACES = [("torch", d) for d in ("cpu", *(["cuda"] if torch.cuda.is_available() else []))]
PLACES += [("numba", "cpu")]


def all_systems():
    found = {}
    for module in pkgutil.iter_modules(solvers.systems.__path__):
        for value in vars(importlib.import_module(f"solvers.systems.{module.name}")).values():
            if isinstance(value, System):
                assert found.setdefault(value.name, value) is value
    return found


SYSTEMS = all_systems()
each_system = pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS.keys())


def run(system, start, backend, *, steps=30, copies=20, **more):
    options = {"noise": Noise(5), "record": tuple(start), "record_every": 7, "spread": {}} | more
    return replicates(system, start, steps=steps, copies=copies, backend=backend, **options)


def distance(one, other):
    """Largest difference of two runs, in units of the largest number of a block."""
    off = 0.0
    for name, values in one.records.items():
        size = np.abs(values).max(initial=0.0) + np.abs(one.final[name]).max()
        for a, b in ((values, other.records[name]), (one.final[name], other.final[name])):
            assert a.shape == b.shape
            off = max(off, np.abs(a - b).max(initial=0.0) / size)
    return off


def half_noise(step):
    return lambda s, xi, **a: step(s, {k: v * sqrt(0.5) for k, v in xi.items()}, **a)


def stale_theta(step):
    """Everything reads the theta of one step before; it needs a block for it."""

    def late(s, xi, **a):
        after = step({**{k: v for k, v in s.items() if k != "old"}, "theta": s["old"]}, xi, **a)
        moved = s["theta"] + (after["theta"] - s["old"])
        return {**after, "theta": moved, "old": s["theta"]}

    return late


# the contract of every system


@each_system
def test_a_system_says_where_it_is_from(system):
    key, _, place = system.reference.partition(", ")
    assert key in bibliography()
    assert place
    assert system.example is not None


@each_system
def test_every_back_end_follows_the_reading(system):
    start, arguments = system.example
    spread = dict.fromkeys(start, 0.3)
    reading = run(system, start, "numpy", spread=spread, **arguments)
    assert len(reading.steps) == 4
    for backend, device in PLACES:
        found = run(system, start, backend, device=device, spread=spread, **arguments)
        assert distance(reading, found) < 1e-12, backend
    mutant = run(system.mutated(half_noise), start, "numpy", spread=spread, **arguments)
    assert distance(reading, mutant) > 1e-2


@each_system
def test_copies_have_the_moments_of_the_exact_law(system):
    start, arguments = system.example
    copies, steps = 4000, 25
    law = system.law(start, **arguments)
    names = [name for name in start if name in system.noisy or name == "theta"]

    def p_values(chosen):
        found = run(chosen, start, "numba", steps=steps, copies=copies, **arguments).final
        exact = law.after(steps, law.start(start))
        for name in names:
            block = law.block(name, exact)
            values = found[name].reshape(copies, -1)
            for j, (m, v) in enumerate(zip(block.mean, np.diag(block.covariance), strict=True)):
                z = (values[:, j].mean() - m) / np.sqrt(v / copies)
                q = stats.chi2.cdf(
                    ((values[:, j] - values[:, j].mean()) ** 2).sum() / v, copies - 1
                )
                yield 2 * stats.norm.sf(abs(z))
                yield 2 * min(q, 1 - q)

    found = list(p_values(system))
    assert min(found) > ALPHA / len(found)


def test_half_the_noise_and_a_stale_theta_are_seen():
    start, arguments = ipla.example
    law = ipla.law(start, **arguments)
    rest = law.average("theta", law.stationary())[1]
    half = ipla.mutated(half_noise).law(start, **arguments)
    assert half.average("theta", half.stationary())[1] == pytest.approx(rest / 2, rel=1e-12)
    late, wide = ipla.mutated(stale_theta), {**start, "old": start["theta"]}
    stale = late.law(wide, **arguments)
    assert stale.average("theta", stale.stationary())[1] > 1.03 * rest
    right, wrong = run(ipla, start, "numba", **arguments), run(late, wide, "numba", **arguments)
    assert np.abs(right.final["theta"] - wrong.final["theta"]).max() > 1e-3
    assert distance(run(late, wide, "numpy", **arguments), wrong) < 1e-12
    # the sequential order, with theta stale, is the simultaneous one
    assert distance(right, run(sequential_ipla, start, "numba", **arguments)) > 1e-3


# the language of blocks


def _every_word(s, xi, *, data, h, pull):
    x, w, c = s["x"], s["w"], s["c"]  # (..., 2, 4, 3), (..., 4), (...)
    cross = x[..., 0, :, ::2] - x[..., -1, :, 1:]  # (..., 4, 2)
    weights = exp(minimum(w, 1.0))
    share = weights / weights.sum(-1)[..., None]
    mean = (share[..., None, :, None] * x).sum((-3, -2))  # (..., 3)
    kick = where(cross > 0.0, cross, 0.1 * cross).mean((-2, -1))
    near = pull(mean) * data[..., 1]
    far = sqrt(1.0 + (x - mean[..., None, None, :]) ** 2)
    return {
        "x": x - h * (x - near[..., None, None, :]) / far + sqrt(2 * h) * xi["x"],
        "w": (w - stack([w[..., 1], c, kick, 1.0])) * 0.9
        + h * (far.mean((-3, -1)) - w)
        + 0.1 * xi["w"],
        "c": 0.5 * c + h * kick + near.sum(-1) - s["k"][..., 0],
        "k": s["k"],
    }


every_word = System(name="every-word", step=_every_word, noisy=("x", "w"), reference="none")


@pytest.mark.parametrize(("copies", "dtype"), [(1, "float64"), (20, "float32")])
def test_a_step_of_every_word(copies, dtype):
    rng = np.random.default_rng(1)
    start = {"x": rng.normal(size=(2, 4, 3)), "w": rng.normal(size=4), "c": np.array(0.3)}
    arguments = {
        "data": rng.normal(size=(3, 2)),
        "h": PerStep(lambda k: 0.1 / (1 + 0.1 * k)),
        "pull": lambda v: v / (1 + v * v),
    }
    start["k"] = np.array([1.0, 2.0])
    options = {"copies": copies, "dtype": dtype, **arguments}
    reading = run(every_word, start, "numpy", **options)
    small = 1e-12 if dtype == "float64" else 1e-4
    for backend, device in PLACES:
        found = run(every_word, start, backend, device=device, **options)
        assert distance(reading, found) < small
    frozen = run(every_word, start, "numpy", **options | {"h": 0.1})
    assert distance(reading, frozen) > 1e-3


def test_a_formula_s_derivatives_are_the_same_in_every_back_end():
    """Three parameters, one latent, and tanh: a learner that is not affine."""
    system, copies = learner(bimodal_posterior(), "sequential"), 20
    start, arguments = system.example
    arguments = {**arguments, "latent_step": 0.01, "pool_step": 0.02, "rate": 0.01}
    options = {"copies": copies, "spread": {"latents": 0.5, "pool": 0.5}, **arguments}
    reading = run(system, start, "numpy", **options)
    for backend, device in PLACES:
        assert distance(reading, run(system, start, backend, device=device, **options)) < 1e-12
    with pytest.raises(ArgumentError, match=r"not affine|not finite at the origin"):
        system.law(start, **arguments)
    # the reading's first step, from the energy's own derivatives
    energy = bimodal_posterior()
    one = run(system, start, "numpy", steps=1, record_every=1, **options)
    noise = block_noise(Noise(5), "pool").normals(copies, 0, 10).reshape(copies, 5, 2)
    before = run(system, start, "numpy", steps=0, **options).final["pool"]
    pull = energy.joint().gradient(before.reshape(-1, 2)).reshape(copies, 5, 2)
    h = arguments["pool_step"]
    assert np.allclose(one.final["pool"], before - h * pull + np.sqrt(2 * h) * noise, atol=1e-13)


def test_a_run_does_not_depend_on_how_it_is_shared_out():
    start = {"theta": np.array([1.0]), "pool": np.zeros((1, 4))}
    arguments = pcd_ula.example[1]
    options = {"copies": 150, "record_every": 11, **arguments}
    one = run(pcd_ula, start, "numba", steps=1100, threads=1, **options)
    two = run(pcd_ula, start, "numba", steps=1100, threads=3, **options)
    assert distance(one, two) == 0.0
    few = run(pcd_ula, start, "numba", steps=1100, **options | {"copies": 9})
    for name, values in few.records.items():
        assert np.array_equal(values, one.records[name][:, :9])
    assert (
        distance(few, run(pcd_ula, start, "numpy", steps=1100, **options | {"copies": 9})) < 1e-12
    )
    assert len(few.steps) == len(few.records["theta"]) == 100
    assert len(run(pcd_ula, start, "numba", steps=0, **options).steps) == 0


def test_sizes_and_numbers_share_one_compilation():
    def text(D, N, h):
        start = {"theta": np.zeros(1), "x": np.zeros((D, N))}
        arguments = {"slopes": hierarchical_gaussian(np.linspace(-1, h, D)), "h": h}
        traced = trace_system(ipla, start, arguments)
        return loop_text(traced, ("x",), real="float64", bits=53, lanes=16)

    assert text(3, 50, 0.1).text == text(7, 20, 0.3).text
    assert text(3, 50, 0.1).text != text(1, 50, 0.1).text


# what is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.mean(0), "counts its axes from the end"),
        (lambda x: x[0], r"begins with \.\.\."),
        (lambda x: x[..., 5], "within 3"),
        (lambda x: x[..., ::-1], "go forward"),
        (lambda x: x[..., None, 0, 0], "too long"),
        (lambda x: x if x.sum(-1) > 0 else -x, "cannot branch"),
        (lambda x: np.arctan(x), "does not know the function 'arctan'"),
        (lambda x: x + np.zeros(2), "do not broadcast"),
        (lambda x: x[..., :2], "needs to return the blocks"),
        (lambda x: x + "one", "blocks and numbers"),
    ],
)
def test_a_step_outside_the_language_is_refused(change, message):
    system = System(
        name="odd", step=lambda s, xi: {"x": change(s["x"])}, noisy=(), reference="none"
    )
    with pytest.raises(ArgumentError, match=message):
        run(system, {"x": np.zeros(3)}, "numba")


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_what_diverges_says_block_copy_and_step(backend):
    system = System(
        name="square", step=lambda s, xi: {"x": s["x"] * s["x"]}, noisy=(), reference="none"
    )
    with pytest.raises(SolverError, match=r"x of square .* copy 0") as caught:
        run(system, {"x": np.array([0.1, 2.0])}, backend, copies=3)
    assert caught.value.step == 10  # 2^(2^10) is beyond the largest number
    assert caught.value.last_state["x"].shape == (3, 2)
    assert np.all(np.isfinite(caught.value.last_state["x"]))


def test_unusable_arguments_are_refused():
    start, arguments = ipla.example
    for wrong in (
        {"steps": -1},
        {"copies": 0},
        {"record": ("y",)},
        {"record_every": 0},
        {"backend": "jax"},
        {"device": "cuda:9"},
        {"h": np.nan},
    ):
        with pytest.raises(ArgumentError):
            run(ipla, start, **({"backend": "numba"} | arguments | wrong))
    with pytest.raises(ArgumentError, match="x did not come"):
        run(ipla, {"theta": np.zeros(1)}, "numba", **arguments)
    with pytest.raises(ArgumentError, match="finite numbers"):
        run(ipla, {**start, "theta": np.array([np.inf])}, "numba", **arguments)
    with pytest.raises(ArgumentError, match="named once"):
        System(name="twice", step=ipla.step, noisy=("x", "x"), reference="none")


def test_the_law_of_a_step_is_that_of_its_engine():
    """Reading A off the compiled loop: each column is a run from a unit vector."""
    start, arguments = pcd_ula.example
    still = pcd_ula.mutated(
        lambda step: lambda s, xi, **a: step(s, {k: 0.0 * v for k, v in xi.items()}, **a)
    )
    law = pcd_ula.law(start, **arguments)

    def one(s, xi):
        rows = [
            replicates(still, {k: v[r] for k, v in s.items()}, steps=1, noise=Noise(1), **arguments)
            for r in range(len(s["theta"]))
        ]
        return {k: np.concatenate([row.final[k] for row in rows]) for k in s}

    def lifted(s, xi):
        if s["theta"].ndim > 1:
            return one(s, xi)
        return {k: v[0] for k, v in one({n: v[None] for n, v in s.items()}, xi).items()}

    found = LinearLaw.of_step(lifted, start, {})
    assert np.allclose(found.A, law.A, atol=1e-13)
    assert np.allclose(found.b, law.b, atol=1e-13)

"""The trainer on its back ends: the same path, bit for bit where that is promised.

Witnesses that share no code: the compiled loop, torch tensors, and the algorithm written out in
numpy below. Compiled here: one module with every particle in each update, one with batches,
another scheme and restarts, and one for the location family.
"""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from lvebm_theory.energies.linear_gaussian import linear_gaussian_undirected
from lvebm_theory.errors import SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.joint import joint_energy
from solvers.learning import formula_engine
from solvers.learning import replicates as replicating
from solvers.learning.checkpoint import load
from solvers.learning.projections import AboveSquare
from solvers.learning.rates import Constant, RobbinsMonro, TorchOptimizer
from solvers.learning.replicates import train_replicates
from solvers.learning.settings import LearningSettings
from solvers.learning.train import train
from solvers.learning.update import SEQUENTIAL, SIMULTANEOUS, Stage
from solvers.noise import Noise
from solvers.particles import mala
from verification.controls.updates import (
    with_latents_redrawn,
    with_noise_of_half_the_heat,
    with_stale_pool,
)

ROOT = Path(__file__).parents[2]
DATA = np.linspace(-1.5, 2.0, 10)[:, None]
ENERGY = linear_gaussian_undirected(a=1.5, b=0.5)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
REDRAWN = InitialLaw.normal(0.3, 0.7)


def settings_of(**changed):
    chosen = {
        "latents": 3,
        "pool": 40,
        "latent_step": 0.1,
        "pool_step": 0.12,
        "rate": Constant(0.02),
        "projection": AboveSquare(margin=0.9),
    }
    return LearningSettings(**{**chosen, **changed})


def run(settings, updates=200, update=None, **options):
    return train(
        ENERGY, DATA, settings, noise=Noise(seed=3), updates=updates, update=update, **options
    )


def written_out(settings, updates, update, noise):
    """Theta after every update, from the formulas of the package, for this energy alone."""
    n, k, m = len(DATA), settings.latents, settings.pool
    a, b = 1.5, 0.5
    x = np.repeat(DATA[:, 0], k)
    start, own = noise.derive("latent start"), noise.derive("latents")
    z = start.normals(n * k, 0, 1)[:, 0]
    pool_start = noise.derive("pool start").normals(m, 0, 2)
    w = pool_start * [DATA.std(), 1.0] + [DATA.mean(), 0.0]
    words = noise.derive("batch")
    registers = np.zeros((2, 2))
    gradient = np.zeros(2)
    thetas = []
    for u in range(updates):
        chosen = np.arange(n)
        if settings.batch:
            count = n // settings.batch
            keys = words.integers(n, u // count).astype(object)
            order = sorted(range(n), key=lambda i, k=keys: (k[i, 0] * 2**32 + k[i, 1], i))
            first = u % count * settings.batch
            chosen = np.sort(order[first : first + settings.batch])
        who = (chosen[:, None] * k + np.arange(k)).ravel()
        heat = settings.temperature
        for stage in update.stages:
            if stage == Stage.RESTART_LATENTS:
                z[who] = 0.3 + 0.7 * start.normals(n * k, u + 1, 1)[who, 0]
            elif stage == Stage.MOVE_LATENTS:
                for s in range(settings.inner_steps):
                    xi = own.normals(n * k, u * settings.inner_steps + s, 1)[who, 0]
                    h = settings.latent_step
                    z[who] += -h * (z[who] - b * x[who]) + np.sqrt(2 * heat * h) * xi
            elif stage == Stage.MOVE_POOL:
                for s in range(settings.inner_steps):
                    xi = noise.derive("pool").normals(m, u * settings.inner_steps + s, 2)
                    h = settings.pool_step
                    slope = np.stack([a * w[:, 0] - b * w[:, 1], w[:, 1] - b * w[:, 0]], axis=1)
                    w = w - h * slope + np.sqrt(2 * heat * h) * xi
            elif stage == Stage.AVERAGE_LATENTS:
                registers[0] = (x[who] ** 2 / 2).mean(), -(x[who] * z[who]).mean()
            elif stage == Stage.AVERAGE_POOL:
                registers[1] = (w[:, 0] ** 2 / 2).mean(), -(w[:, 0] * w[:, 1]).mean()
            elif stage == Stage.COMBINE:
                gradient = registers[1] - registers[0]
            else:
                rate = settings.rate.values(u, u + 1)[0]
                kick = noise.derive("theta").normals(2, u, 1)[:, 0]
                a, b = (
                    np.array([a, b])
                    + rate * gradient
                    + np.sqrt(2 * rate * settings.gradient_noise) * kick
                )
        thetas.append((a, b))
    return np.array(thetas)


FREE = {"projection": None, "rate": Constant(0.02)}
CASES = {
    "sequential": (FREE, SEQUENTIAL),
    "simultaneous": (FREE, SIMULTANEOUS),
    "inner steps, hot": (FREE | {"inner_steps": 3, "temperature": 0.6}, SEQUENTIAL),
    "batches": (FREE | {"batch": 3}, SIMULTANEOUS),
    "rates, noise": (
        FREE | {"rate": RobbinsMonro(0.05, 10.0, 0.7), "gradient_noise": 0.02},
        SEQUENTIAL,
    ),
    "stale": (FREE, with_stale_pool(SEQUENTIAL)),
    "stale, simultaneous": (FREE, with_stale_pool(SIMULTANEOUS)),
    "redrawn": (FREE | {"batch": 4}, with_latents_redrawn(SEQUENTIAL, REDRAWN)),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", CASES)
def test_torch_follows_the_algorithm_written_out(case, device):
    changed, update = CASES[case]
    settings = settings_of(**changed)
    done = run(settings, 40, update, backend="torch", device=device)
    expected = written_out(settings, 40, update, Noise(seed=3))
    np.testing.assert_allclose(done.theta, expected, rtol=0, atol=1e-13)
    # and no other order of stages would do
    for other, (unlike, another) in CASES.items():
        if unlike == changed and other != case:
            theirs = written_out(settings, 40, another, Noise(seed=3))
            assert np.abs(done.theta - theirs).max() > 1e-3


COMPILED = {
    "sequential": ({}, None),
    "simultaneous": ({"order": "simultaneous"}, None),
    "inner steps, hot": ({"inner_steps": 3, "temperature": 0.6}, None),
    "rates, noise": ({"rate": RobbinsMonro(0.05, 10.0, 0.7), "gradient_noise": 0.02}, None),
    "Adam": ({"rate": TorchOptimizer("Adam", {"lr": 0.01})}, None),
    "stale": ({}, with_stale_pool(SEQUENTIAL)),
    "everything else": (
        {"batch": 3, "learned": ("a",), "gradient_noise": 0.02},
        dataclasses.replace(
            with_latents_redrawn(SEQUENTIAL, REDRAWN), latent_scheme=mala, pool_scheme=mala
        ),
    ),
}


@pytest.mark.parametrize("case", COMPILED)
def test_the_compiled_loop_follows_torch(case):
    changed, update = COMPILED[case]
    settings = settings_of(**changed)
    ours, theirs = (run(settings, update=update, backend=b) for b in ("numba", "torch"))
    for name in ("theta", "gradient"):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=1e-12, atol=1e-12
        )
    np.testing.assert_allclose(ours.final.latents, theirs.final.latents, rtol=0, atol=1e-11)
    np.testing.assert_allclose(ours.final.pool, theirs.final.pool, rtol=0, atol=1e-11)
    if "learned" not in changed:
        assert np.isclose(ours.theta[:, 0] - ours.theta[:, 1] ** 2, 0.9, atol=1e-9).any()
    else:
        accepted = ours.records["pool_accepted"]
        assert len(accepted) == 100
        assert accepted.max() <= 1.0
        assert 0.9 < accepted.mean() < 1.0


def test_half_the_heat_is_half_the_variance():
    mild = settings_of(rate=Constant(1e-12), pool=4000, projection=None)
    done = run(mild, 100, with_noise_of_half_the_heat(SEQUENTIAL), backend="torch")
    whole = run(mild, 100, backend="torch")
    ratio = done.final.pool.var(axis=0) / whole.final.pool.var(axis=0)
    assert np.all(np.abs(ratio - 0.5) < 0.05)


@pytest.mark.parametrize("rate", [Constant(0.02), TorchOptimizer("SGD", {"lr": 0.02})])
def test_threads_and_sharing_change_no_bit(monkeypatch, rate):
    settings = settings_of(rate=rate)
    alone = run(settings, 30, threads=1)
    monkeypatch.setattr(formula_engine, "_WORTH_SHARING", 0)
    for threads in (2, 4):
        shared = run(settings, 30, threads=threads)
        np.testing.assert_array_equal(shared.theta, alone.theta)
        np.testing.assert_array_equal(shared.final.pool, alone.final.pool)
        np.testing.assert_array_equal(shared.final.latents, alone.final.latents)


def test_torch_threads_change_no_bit():
    settings = settings_of(pool=5000)
    one, two = (run(settings, 5, backend="torch", threads=t).theta for t in (1, 2))
    np.testing.assert_array_equal(one, two)


@joint_energy(dim_x=1, dim_z=1, t=0.0)
def location(x, z, t):
    """E = (x - t)^2/2 + z^2/2."""
    return (x[0] - t) ** 2 / 2 + z[0] ** 2 / 2


A, H, POOL = 0.05, 0.1, 16
SMALL = LearningSettings(
    latents=1, pool=POOL, latent_step=H, pool_step=H, rate=Constant(A), order="simultaneous"
)


def test_a_replicate_is_the_run_with_its_noise():
    common = {"updates": 300, "record_every": 7}
    several = [
        train_replicates(
            location(), [[0.3]], SMALL, noise=Noise(seed=2), replicates=5, threads=threads,
            moments_after=100, **common,
        )
        for threads in (1, 2)
    ]  # fmt: skip
    np.testing.assert_array_equal(several[0].theta, several[1].theta)
    alone = train(
        location(), [[0.3]], SMALL, noise=Noise(seed=2).derive("replicate", 3), updates=300
    )
    np.testing.assert_array_equal(alone.theta[6::7], several[0].theta[:, 3])
    np.testing.assert_array_equal(alone.theta[-1], several[0].final_theta[3])
    late = alone.theta[100:, 0]
    moments = several[0].moments
    assert moments.count == len(late)
    np.testing.assert_allclose(moments.mean[3, 0], late.mean(), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance[3, 0, 0], late.var(), rtol=1e-12)
    assert len(np.unique(several[0].final_theta)) == 5


# from each of these an engine must take over what is the replicate's own: normals of theta,
# batches, latents that start anew
OWN = {
    "nothing": ({}, None),
    "batches, noise": ({"batch": 4, "gradient_noise": 0.02}, None),
    "redrawn": ({"batch": 4}, with_latents_redrawn(SEQUENTIAL, REDRAWN)),
}


@pytest.mark.parametrize("case", OWN)
def test_an_engine_that_listens_to_several_replicates_mixes_nothing(case, monkeypatch):
    changed, update = OWN[case]
    settings = settings_of(**changed)
    monkeypatch.setattr(replicating, "_SHARE", 3)
    several = train_replicates(
        ENERGY, DATA, settings, noise=Noise(seed=5), updates=30, replicates=4, threads=1,
        update=update,
    )  # fmt: skip
    for r in range(4):
        own = Noise(seed=5).derive("replicate", r)
        alone = train(ENERGY, DATA, settings, noise=own, updates=30, update=update)
        np.testing.assert_array_equal(several.theta[:, r], alone.theta)


def test_a_replicate_that_fails_is_named():
    wild = dataclasses.replace(SMALL, rate=Constant(1.5))
    with pytest.raises(SolverError, match=r"replicate 0: .*theta") as caught:
        train_replicates(
            location(), [[0.3]], wild, noise=Noise(seed=2), updates=20_000, replicates=2,
            record_every=1000,
        )  # fmt: skip
    good = caught.value.last_state
    assert good.update == caught.value.step > 100
    assert np.all(np.isfinite(good.theta))
    assert 1e5 < np.abs(good.pool).max() < 1e7


def test_theta_of_a_finite_pool_has_its_exact_variance():
    done = train_replicates(
        location(), [[0.3]], SMALL, noise=Noise(seed=7), updates=6000, replicates=100,
        record_every=6000, moments_after=1000,
    )  # fmt: skip
    moments = done.moments
    each = moments.covariance[:, 0, 0] + (moments.mean[:, 0] - 0.3) ** 2
    error = each.std(ddof=1) / np.sqrt(len(each))
    exact = 2 * A / H * (2 - H + A * H) / (POOL * (1 - A) * (4 - 2 * H + A * H))
    assert abs(each.mean() - exact) < 4.9 * error  # alpha = 1e-6
    # the sequential recursion t' = t + a (m - X'), X' = X - h (X - t) + noise, is another law
    step = np.array([[1 - A * H, -A * (1 - H)], [H, 1 - H]])
    kick = 2 * H / POOL * np.array([[A * A, -A], [-A, 1.0]])
    other = np.linalg.solve(np.eye(4) - np.kron(step, step), kick.ravel())[0]
    assert abs(each.mean() - other) > 4.9 * error


_KILLED = """
import sys
import numpy as np
from lvebm_theory.energies.linear_gaussian import linear_gaussian_undirected
from solvers.learning.projections import AboveSquare
from solvers.learning.rates import TorchOptimizer
from solvers.learning.settings import LearningSettings
from solvers.learning.train import train
from solvers.noise import Noise

train(
    linear_gaussian_undirected(a=1.5, b=0.5),
    np.linspace(-1.5, 2.0, 10)[:, None],
    LearningSettings(
        latents=3, pool=40, latent_step=0.1, pool_step=0.12, batch=3,
        rate=TorchOptimizer("Adam", {"lr": 0.01}), projection=AboveSquare(margin=0.9),
    ),
    noise=Noise(seed=3), updates=10**6, backend="torch",
    checkpoint=sys.argv[1], checkpoint_every=3,
)
"""


def test_a_killed_run_resumes_to_the_same_numbers(tmp_path):
    path = tmp_path / "learner.safetensors"
    settings = settings_of(batch=3, rate=TorchOptimizer("Adam", {"lr": 0.01}))
    child = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        limit = time.monotonic() + 120
        while not path.exists():
            assert child.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.01)
        # any moment will do; this one differs from run to run
        time.sleep(0.2 + (time.time_ns() % 1000) / 2000)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        assert child.wait() == -signal.SIGKILL
    kept = load(path, ENERGY, settings, Noise(seed=3), data=DATA)
    assert kept.update >= 3
    assert kept.update % 3 == 0
    target = kept.update + 10
    resumed = run(settings, 10, start=kept, backend="torch").final
    straight = run(settings, target, backend="torch").final
    assert resumed.update == straight.update
    for name in ("theta", "latents", "pool", "averages"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(straight, name))
    for name, value in straight.optimiser.items():
        np.testing.assert_array_equal(resumed.optimiser[name], value)


@pytest.mark.slow
def test_single_precision_follows_torch():
    settings = settings_of(projection=None)
    noise = Noise(seed=3, bits=53)
    ours, theirs = (
        train(ENERGY, DATA, settings, noise=noise, updates=50, dtype="float32", backend=b)
        for b in ("numba", "torch")
    )
    np.testing.assert_allclose(ours.theta, theirs.theta, rtol=0, atol=1e-6)
    assert ours.final.pool.dtype == np.float32
    double = run(settings, 50, backend="torch").theta
    assert 0 < np.abs(ours.theta - double).max() < 1e-5

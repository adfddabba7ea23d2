"""Samplers of other packages behind the same door; each test runs where its package is installed.

Seeds are fixed and nothing hangs on the clock but how much is looked at: a red test is a bug.
"""

import numpy as np
import pytest

from verification.decide import Verdict
from verification.samplers import check_sampler
from verification.samplers.adapters import (
    from_blackjax,
    from_blackjax_sgld,
    from_emcee,
    from_mici,
    from_numpyro,
    from_torchebm_integrator,
    from_torchebm_sampler,
)
from verification.samplers.targets import gaussian, mixture

LINE = gaussian(1.0, name="standard normal")
PLANE = gaussian([[2.0, 0.6], [0.6, 1.0]], [0.5, -1.0], name="correlated normal")
BENT = mixture([[-1.5, 0.0], [1.5, 0.5]], 0.6, [0.3, 0.7], name="two modes")
USUAL = {"calls": 30_000, "targets": [PLANE], "step_sizes": [0.4], "seed": 3}


def looked_at(step, options):
    law = "one-step law" if options.get("kind") == "unadjusted" else "invariance"
    return law, check_sampler(step, **{**USUAL, "laws": [law, "both branches"], **options})


def accepted(step, at_least=1000, **options):
    """Nothing violated, and the law that matters was looked at closely enough to say so."""
    law, report = looked_at(step, options)
    assert report.verdict is not Verdict.VIOLATED, str(report)
    assert report.law(law).power.samples >= at_least
    return report


def refuted(step, **options):
    _, report = looked_at(step, options)
    assert report.verdict is Verdict.VIOLATED, str(report)
    return report


@pytest.mark.slow
def test_blackjax():
    blackjax = pytest.importorskip("blackjax", reason="blackjax is not installed")
    jnp = pytest.importorskip("jax.numpy")
    accepted(from_blackjax(lambda f, h, d: blackjax.mala(f, h)))
    accepted(from_blackjax(lambda f, h, d: blackjax.hmc(f, h, jnp.ones(d), 5)))
    # the same algorithm for another target is refuted: the adapter hands over what it is given
    refuted(from_blackjax(lambda f, h, d: blackjax.mala(lambda x: 1.2 * f(x), h)))


def test_blackjax_sgld_is_ula_when_it_sees_the_whole_gradient():
    blackjax = pytest.importorskip("blackjax", reason="blackjax is not installed")
    step = from_blackjax_sgld(blackjax.sgld)
    accepted(step, kind="unadjusted")
    refuted(step, kind="adjusted")


@pytest.mark.slow
def test_numpyro():
    infer = pytest.importorskip("numpyro.infer", reason="numpyro is not installed")

    def make(potential, step_size, factor=1.0):
        return infer.HMC(
            potential_fn=lambda x: factor * potential(x),
            step_size=step_size,
            num_steps=4,
            trajectory_length=None,
            adapt_step_size=False,
            adapt_mass_matrix=False,
        )

    accepted(from_numpyro(make))
    refuted(from_numpyro(lambda potential, h: make(potential, h, 1.2)), calls=150_000)


@pytest.mark.slow
def test_emcee_counts_one_sample_per_ensemble():
    emcee = pytest.importorskip("emcee", reason="emcee is not installed")

    class Biased(emcee.moves.StretchMove):
        """A stretch without the power of the stretch in its ratio."""

        def get_proposal(self, sample, complement, random):
            moved, factors = super().get_proposal(sample, complement, random)
            return moved, np.zeros_like(factors)

    few = {"walkers": 4, "calls": 1_500}
    report = accepted(from_emcee(), at_least=60, **few)
    assert report.law("invariance").power.samples * 4 <= report.calls
    accepted(from_emcee(emcee.moves.DEMove()), at_least=60, **few)
    # what follows a refutation, the guess at the component, is as long as a look
    refuted(from_emcee(Biased()), walkers=4, calls=None, budget=20.0)


@pytest.mark.slow
def test_a_slow_ensemble_is_refuted_by_averages_in_units_of_their_own():
    emcee = pytest.importorskip("emcee", reason="emcee is not installed")
    five = {"walkers": 20, "calls": 40_000, "targets": [gaussian(np.eye(5), name="five")]}
    refuted(from_emcee(emcee.moves.DESnookerMove()), **five)
    for move in (emcee.moves.StretchMove, emcee.moves.KDEMove, emcee.moves.WalkMove):
        accepted(from_emcee(move()), at_least=10, **{**five, "calls": 6_000})


@pytest.mark.slow
def test_a_sampler_that_needs_two_dimensions_is_not_refuted_on_one():
    blackjax = pytest.importorskip("blackjax", reason="blackjax is not installed")
    import jax.numpy as jnp

    def make(log_density, step_size, dim):
        return blackjax.adjusted_mclmc(
            log_density, step_size, num_integration_steps=3, inverse_mass_matrix=jnp.ones(dim)
        )

    report = looked_at(from_blackjax(make), {"targets": [PLANE, LINE], "calls": 3_000})[1]
    assert report.verdict is not Verdict.VIOLATED, str(report)


@pytest.mark.slow
def test_mici():
    pytest.importorskip("mici", reason="mici is not installed")
    from mici.integrators import LeapfrogIntegrator
    from mici.samplers import StaticMetropolisHMC

    def make(system, step_size, rng):
        return StaticMetropolisHMC(system, LeapfrogIntegrator(system, step_size), rng, n_step=3)

    class Halved(LeapfrogIntegrator):
        """Half a step is taken back, and the energy does not see it."""

        def _step(self, state, time_step):
            super()._step(state, time_step)
            state.pos = state.pos / 2

    def wrong(system, step_size, rng):
        return StaticMetropolisHMC(system, Halved(system, step_size), rng, n_step=3)

    # a millisecond or more per step: seconds are planned for, from the speed that is seen
    few = {"calls": None, "budget": 3.0, "targets": [LINE], "step_sizes": [0.7]}
    accepted(from_mici(make), at_least=60, **few)
    refuted(from_mici(wrong), **{**few, "budget": 20.0})


def test_torchebm_integrators_against_the_rules_that_they_document():
    pytest.importorskip("torchebm", reason="torchebm is not installed")
    import torch
    from torchebm.integrators import (
        BackwardEulerMaruyamaIntegrator,
        EulerMaruyamaIntegrator,
        HeunIntegrator,
    )

    from verification.samplers.adapters.torchebm_rules import BackwardEulerMaruyama, HeunThenNoise

    double = torch.float64
    on_the_line = {"targets": [LINE], "step_sizes": [0.1, 0.4], "laws": None}
    plain = from_torchebm_integrator(EulerMaruyamaIntegrator(dtype=double))
    accepted(plain, kind="unadjusted", **on_the_line)
    accepted(plain, kind="unadjusted", targets=[BENT])
    heun = from_torchebm_integrator(HeunIntegrator(dtype=double))
    accepted(heun, kind="unadjusted", scheme=HeunThenNoise(), **on_the_line)
    # its noise is added after the implicit drift, where the documented rule has it inside
    backward = from_torchebm_integrator(
        BackwardEulerMaruyamaIntegrator(dtype=double, solver_max_iter=60)
    )
    report = refuted(backward, kind="unadjusted", scheme=BackwardEulerMaruyama(), **on_the_line)
    assert report.localisation is not None


def test_torchebm_hmc():
    pytest.importorskip("torchebm", reason="torchebm is not installed")
    import torch
    from torchebm.samplers import HamiltonianMonteCarlo

    def make(model, step_size):
        return HamiltonianMonteCarlo(model, step_size, n_leapfrog_steps=4, dtype=torch.float64)

    accepted(from_torchebm_sampler(make))


def rule(name):
    """A step that follows a documented rule of torchebm, written out here."""

    def backward(x, energy, step_size, rng):
        noisy = x + np.sqrt(2 * step_size) * rng.standard_normal(x.shape)
        y = noisy
        for _ in range(60):
            y = noisy - step_size * energy.gradient(y)
        return y

    def heun(x, energy, step_size, rng):
        g = energy.gradient(x)
        drift = (g + energy.gradient(x - step_size * g)) / 2
        return x - step_size * drift + np.sqrt(2 * step_size) * rng.standard_normal(x.shape)

    return {"backward": backward, "heun": heun}[name]


@pytest.mark.parametrize("name", ["backward", "heun"])
def test_the_documented_rules_accept_who_follows_them(name):
    """The control of the refutation above: without torchebm."""
    from verification.samplers.adapters.torchebm_rules import BackwardEulerMaruyama, HeunThenNoise

    scheme = {"backward": BackwardEulerMaruyama(), "heun": HeunThenNoise()}
    other = "heun" if name == "backward" else "backward"
    options = {"kind": "unadjusted", "step_sizes": [0.1, 0.3], "targets": [PLANE, BENT]}
    accepted(rule(name), scheme=scheme[name], **options)
    refuted(rule(other), scheme=scheme[name], **options)


def test_adapters_leave_alone_what_is_not_theirs():
    """Importing the adapters imports none of the packages."""
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from verification.samplers import adapters\n"
        "assert all(callable(getattr(adapters, name)) for name in adapters.__all__)\n"
        "heavy = {'jax', 'blackjax', 'numpyro', 'emcee', 'mici', 'torchebm', 'torch'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)

"""Samplers of other packages behind the same door; each test runs where its package is installed.

Budgets are numbers of calls, seeds are fixed: a red test is a bug.
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
TARGETS = [gaussian([[2.0, 0.6], [0.6, 1.0]], [0.5, -1.0], name="correlated normal")]
BENT = mixture([[-1.5, 0.0], [1.5, 0.5]], 0.6, [0.3, 0.7], name="two modes")
OFTEN = {"calls": 120_000, "targets": [*TARGETS, BENT], "seed": 3}


def accepted(step, **options):
    """Nothing violated, and the law that matters was looked at closely enough to say so."""
    report = check_sampler(step, **{**OFTEN, **options})
    assert report.verdict is not Verdict.VIOLATED, str(report)
    main = report.law("one-step law" if options.get("kind") == "unadjusted" else "invariance")
    assert main.power is not None
    assert main.power.samples > 1000
    return report


def refuted(step, **options):
    report = check_sampler(step, **{**OFTEN, **options})
    assert report.verdict is Verdict.VIOLATED, str(report)
    return report


def test_blackjax():
    blackjax = pytest.importorskip("blackjax", reason="blackjax is not installed")
    jnp = pytest.importorskip("jax.numpy")
    mala = from_blackjax(lambda f, h, d: blackjax.mala(f, h))
    accepted(mala, reversible=True)
    hmc = from_blackjax(lambda f, h, d: blackjax.hmc(f, h, jnp.ones(d), 5))
    accepted(hmc)
    # the same algorithm for another target is refuted: the adapter hands over what it is given
    refuted(from_blackjax(lambda f, h, d: blackjax.mala(lambda x: 1.1 * f(x), h)))


def test_blackjax_sgld_is_ula_when_it_sees_the_whole_gradient():
    blackjax = pytest.importorskip("blackjax", reason="blackjax is not installed")
    step = from_blackjax_sgld(blackjax.sgld)
    accepted(step, kind="unadjusted")
    refuted(step, kind="adjusted", step_sizes=[0.3])


def test_numpyro():
    infer = pytest.importorskip("numpyro.infer", reason="numpyro is not installed")

    def make(potential, step_size, factor=1.0):
        return infer.HMC(
            potential_fn=lambda x: factor * potential(x),
            step_size=step_size,
            num_steps=4,
            adapt_step_size=False,
            adapt_mass_matrix=False,
        )

    accepted(from_numpyro(make), step_sizes=[0.2, 0.5])
    refuted(from_numpyro(lambda potential, h: make(potential, h, 1.2)), step_sizes=[0.2, 0.5])


def test_emcee_counts_one_sample_per_ensemble():
    emcee = pytest.importorskip("emcee", reason="emcee is not installed")
    walkers = {"walkers": 8, "calls": 120_000}
    report = accepted(from_emcee(), **walkers)
    assert report.law("invariance").power.samples * 8 <= report.calls
    accepted(from_emcee(emcee.moves.DEMove()), **walkers)

    class Biased(emcee.moves.StretchMove):
        """A stretch without the power of the stretch in its ratio."""

        def get_proposal(self, sample, complement, random):
            moved, factors = super().get_proposal(sample, complement, random)
            return moved, np.zeros_like(factors)

    refuted(from_emcee(Biased()), **walkers)


def test_mici():
    pytest.importorskip("mici", reason="mici is not installed")
    from mici.integrators import LeapfrogIntegrator
    from mici.samplers import StaticMetropolisHMC

    def make(system, step_size, rng):
        return StaticMetropolisHMC(system, LeapfrogIntegrator(system, step_size), rng, n_step=3)

    few = {"calls": 12_000, "targets": [LINE], "step_sizes": [0.7]}
    accepted(from_mici(make), **few)

    def wrong(system, step_size, rng):
        sampler = make(system, step_size, rng)
        sampler.transitions["momentum_transition"] = Halved()
        return sampler

    class Halved:
        """Momenta of half the standard deviation."""

        state_variables = frozenset({"mom"})
        statistic_types = None

        def sample(self, state, rng):
            state.mom = rng.standard_normal(state.pos.shape) / 2
            return state, None

    refuted(from_mici(wrong), **few)


def test_torchebm_integrators_against_the_rules_that_they_document():
    pytest.importorskip("torchebm", reason="torchebm is not installed")
    import torch
    from torchebm.integrators import (
        BackwardEulerMaruyamaIntegrator,
        EulerMaruyamaIntegrator,
        HeunIntegrator,
    )

    from verification.samplers.adapters.torchebm_rules import BackwardEulerMaruyama, HeunThenNoise

    double, on_the_line = torch.float64, {"targets": [LINE], "step_sizes": [0.1, 0.4]}
    plain = from_torchebm_integrator(EulerMaruyamaIntegrator(dtype=double))
    accepted(plain, kind="unadjusted", **on_the_line)
    accepted(plain, kind="unadjusted")
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

    accepted(from_torchebm_sampler(make), step_sizes=[0.2, 0.5])


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
    options = {"kind": "unadjusted", "step_sizes": [0.1, 0.3]}
    accepted(rule(name), scheme=scheme[name], **options)
    refuted(rule(other), scheme=scheme[name], **options)


def test_adapters_leave_alone_what_is_not_theirs():
    """Importing the adapters imports none of the packages."""
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from verification.samplers.adapters import from_blackjax, from_numpyro\n"
        "from verification.samplers.adapters import from_torchebm_integrator, from_torchebm_sampler\n"
        "from verification.samplers.adapters import from_emcee, from_mici\n"
        "heavy = {'jax', 'blackjax', 'numpyro', 'emcee', 'mici', 'torchebm', 'torch'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)

"""What a claim chooses for itself moves and scales with the energy."""

import numpy as np
import pytest

from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from verification.claims.flow.convergence_without_lsi import contraction_of
from verification.defaults import default_start, frame, length_of
from verification.discovery import claims

TEXT = "2*(((x-m)/s)**2-1)**2 + 0.3*(x-m)/s"
PLACES = [(1e-4, 0.0), (1e4, 0.0), (1.0, 1e4), (1e-4, 0.3)]


def energy_at(scale, shift):
    return parse_potential(TEXT, parameters={"s": scale, "m": shift})


def adapted(claim, scale, shift):
    times = tuple(t * scale**2 for t in (0.05, 0.2, 1.0))
    start = InitialLaw.normal(0.9 * scale + shift, 0.25 * scale)
    return claim.adapt(energy_at(scale, shift), start, times)


@pytest.mark.parametrize(("scale", "shift"), PLACES)
def test_frame_and_start(scale, shift):
    centre, length = frame(energy_at(scale, shift))
    plain_centre, plain_length = frame(energy_at(1.0, 0.0))
    assert length == pytest.approx(scale * plain_length, rel=1e-2)
    assert centre == pytest.approx(shift + scale * plain_centre, abs=0.02 * scale)
    start, plain = default_start(energy_at(scale, shift)), default_start(energy_at(1.0, 0.0))
    assert (start.means - shift) / scale == pytest.approx(plain.means, abs=0.03)
    assert start.sds / scale == pytest.approx(plain.sds, rel=0.03)


@pytest.mark.parametrize("option", ["second_start", "reference"])
@pytest.mark.parametrize(("scale", "shift"), PLACES)
def test_second_laws(option, scale, shift):
    found = 0
    for claim in claims().values():
        if claim.adapt is None:
            continue
        try:
            moved = adapted(claim, scale, shift).options.get(option)
            plain = adapted(claim, 1.0, 0.0).options.get(option)
        except AssumptionError:
            continue
        if plain is not None:
            found += 1
            assert (moved.means - shift) / scale == pytest.approx(plain.means, abs=0.03)
            assert moved.sds / scale == pytest.approx(plain.sds)
    assert found


@pytest.mark.parametrize(("scale", "shift"), PLACES)
def test_step_of_the_stationary_bias_and_rate_of_the_coupling(scale, shift):
    bias = claims()["ula-bias"]
    assert adapted(bias, scale, shift).options["step_size"] == pytest.approx(
        scale**2 * adapted(bias, 1.0, 0.0).options["step_size"], rel=2e-2
    )
    coupling = claims()["convergence-without-lsi"]
    here, plain = (contraction_of(adapted(coupling, s, m)) for s, m in ((scale, shift), (1.0, 0.0)))
    assert scale**2 * here.rate.value == pytest.approx(plain.rate.value, rel=2e-2)
    assert here.rate.how is plain.rate.how
    assert here.cost(0.7 * scale) == pytest.approx(scale * plain.cost(0.7), rel=2e-2)


def test_the_length_of_a_gaussian_is_about_its_standard_deviation():
    energy = parse_potential("(x-5)**2/(2*s**2) + y**2/2", parameters={"s": 1e3})
    _, length = frame(energy)
    assert length == pytest.approx(np.array([1e3, 1.0]), rel=0.15)
    assert length_of(energy) == pytest.approx(1e3, rel=0.15)

"""What the synthetic claims share: a half-normal energy, a theorem, and a way to make a claim."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lvebm_theory.constant import Constant
from lvebm_theory.theorem import Assumption, Reference, Relation, Theorem
from verification.claim import Case, Claim, Context, Evidence, Outcome, Setting
from verification.measurement import Measurement


class Parabola:
    """U(x) = x^2/2, as little of an energy as a setting needs."""

    name = "parabola"
    dim = 1
    parameters: Mapping[str, float] = {}
    smooth = True


THEOREM = Theorem(
    name="exponential-decay",
    title="Relative entropy decays exponentially",
    statement=r"\mathrm{KL}(\mu_t \,\|\, \pi) \le e^{-2 \rho t} \, \mathrm{KL}(\mu_0 \,\|\, \pi)",
    reference=Reference(key="bakry2014", place="Theorem 5.2.1"),
    relation=Relation.AT_MOST,
    assumptions=(Assumption(text="rho > 0", holds=lambda q: q["rho"] > 0),),
    formula=lambda rho, t: math.exp(-2 * rho * t),
)
CONTROLS = {
    "doubled-rate": "the exponent is twice as large as proved",
    "lost-factor": "the factor 2 in the exponent is lost",
}
RHO = Constant.exact(1.0, "the parabola has curvature one")
TIMES = (0.1, 0.5, 1.0)

Evaluate = Callable[[Setting, Sequence[Case], Context], Evidence]


def decay_cases(setting: Setting, backend: str) -> list[Case]:
    """One case per time and witness, and each control at each time where they are wanted."""
    times = setting.times or TIMES
    cases = [
        Case(quantity="KL", relation=Relation.AT_MOST, witness=witness, time=t)
        for witness in ("grid", backend)
        for t in times
    ]
    if setting.with_controls:
        cases += [
            Case(quantity="KL", relation=Relation.AT_MOST, witness="grid", time=t, control=name)
            for name in CONTROLS
            for t in times
        ]
    return cases


def decay(case: Case, context: Context, *, spread: float = 1e-4, rate: float = 2.0) -> Outcome:
    """exp(-rate t) against the bound exp(-2 t), or against what a control makes of it."""
    t = case.time or 0.0
    exponent = {None: 2.0, "doubled-rate": 4.0, "lost-factor": 2.5}[case.control]
    random = case.witness in ("numba", "torch")
    measured = Measurement(
        value=math.exp(-rate * t),
        numerical=1e-9,
        statistical=spread / 2**context.look if random else 0.0,
        confidence=context.confidence if random else 1.0,
    )
    return Outcome(
        measurement=measured,
        bound=math.exp(-exponent * t),
        resolution=1.2e-4,
        perturbed=lambda p: math.exp(-exponent * (1 + p) * t),
        constants={"log_sobolev": RHO},
    )


def curves(setting: Setting, witness: str, times: Sequence[float]):
    """The dataset of one setting and witness, with the variables that real claims store."""
    import xarray

    t = np.asarray(times, dtype=float)
    arrays = {
        "measured": np.exp(-2 * t),
        "numerical": np.full_like(t, 1e-9),
        "statistical": np.full_like(t, 0.0 if witness == "grid" else 1e-4),
        "bound_decay": np.exp(-2 * t),
    }
    return xarray.Dataset(
        {name: ("time", values, {"units": "nats"}) for name, values in arrays.items()},
        coords={"time": ("time", t, {"long_name": "time t"})},
        attrs={"quantity": "KL", "setting": setting.name},
    )


def make(
    name: str,
    evaluate: Evaluate,
    *,
    settings: Sequence[Setting] = (),
    cases: Callable[[Setting, str], Sequence[Case]] = decay_cases,
    **fields: object,
) -> Claim:
    """A claim about the parabola."""
    own = tuple(settings) or (Setting(name="plain", subject=Parabola(), with_controls=True),)
    return Claim(
        name=name,
        title=f"Synthetic claim: {name}",
        theorems=(THEOREM,),
        controls=CONTROLS,
        settings=lambda: own,
        cases=cases,
        evaluate=evaluate,
        **fields,
    )

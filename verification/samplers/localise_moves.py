"""Guesses for adjusted kernels: what they do at small steps, and whether they reject."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import LvebmError

from . import localise_memory, localise_momenta, localise_parts, localise_scans
from .common import repeats
from .features import of_sequence
from .kernel import StepError
from .localise import Localisation
from .localise_acceptance import CHAINS, FEWEST, Acceptance, of_acceptance
from .localise_trace import Hands, TracedEnergy
from .moves import MoveFeatures, of_moves
from .proposals import ProposalFeatures, of_proposals
from .subject import Place, Subject
from .targets.exact_target import ExactTarget

CLEAR = 6.0  # standard errors
TOGETHER = 8.0
SEEN = 0.005
STEEP = 3.0
LEANING = 0.02
FLAT = 1e-3
FAINT = 5e-4  # refusals below which their law is not read
Guess = tuple[str, str, list[str]]


def guess(subject: Subject, unsteady: bool = False) -> Localisation:
    """First and second guess; ``unsteady`` where equal calls were seen to end otherwise."""
    place = _place(subject)
    memory = unsteady or repeats(subject.kernel, place, subject.seed)[0]
    if all(p.moved == 0.0 for p in subject.places):
        return Localisation(
            first="Metropolis ratio", second="proposal correction", evidence=["chains never move"]
        )
    f = of_moves(subject, place)
    first, second, why = _ranked(subject, place, f, memory)
    return Localisation(first=first, second=second, evidence=why)


def _place(subject: Subject) -> Place:
    """A Gaussian in the plane, where everything is smooth, if there is one."""
    targets = [t for t in subject.targets if t.for_step.dim > 1 and t.gaussian]
    return subject.middle_place((targets or subject.targets)[0])


def _ranked(subject: Subject, place: Place, f: MoveFeatures, memory: bool) -> Guess:
    if not memory and max(f.shared, f.shared_moves) > TOGETHER:
        size = max(f.shared, f.shared_moves)
        return "shared randomness", "Metropolis ratio", [f"chains vary together ({size:.0f} for 1)"]
    if subject.kernel.walkers:
        return "Metropolis ratio", "proposal correction", ["chains move by one another"]
    if "step_size" not in subject.kernel.names and all(t.gaussian for t in subject.targets):
        return localise_scans.guess(subject, float(f.drift[-1] / max(f.noise[-1], 1e-300)))
    taken = None if memory else _by_hand(subject, place, f)
    if taken is not None:
        return taken
    if abs(f.growth) < 0.2 and not memory:
        return localise_scans.guess(subject, float(f.drift[-1] / max(f.noise[-1], 1e-300)))
    p = of_proposals(subject, place)
    if memory:
        if p.decides:
            said = ["equal moves are not accepted alike"]
            if localise_memory.counts(subject, place):
                return "schedule", "Metropolis ratio", [*said, "after equal calls either"]
            return "Metropolis ratio", "schedule", said
        return _with_memory(subject, f)
    if subject.kernel.with_momenta and f.kept > 0:
        return "Metropolis ratio", "momentum refresh", ["momenta are kept where moves are refused"]
    return _small_steps(subject, f, p)


def _by_hand(subject: Subject, place: Place, f: MoveFeatures) -> Guess | None:
    """What interventions tell; None where the step does not bear them."""
    try:
        return _taken_apart(subject, place, f)
    except (LvebmError, np.linalg.LinAlgError):
        return None


def _taken_apart(subject: Subject, place: Place, f: MoveFeatures) -> Guess | None:
    """What interventions on draws and energies tell, where a step lets them."""
    rng = np.random.default_rng((subject.seed, 37))
    x = subject.draw(place, rng, CHAINS)
    if subject.kernel.with_momenta:
        hands = Hands(subject=subject, target=place.target, step_size=place.step_size)
        return localise_momenta.guess(hands, x)
    found: Acceptance | None = None
    for factor in (1.0, 3.0):  # a larger step where too few are refused
        h = factor * place.step_size
        hands = Hands(subject=subject, target=place.target, step_size=h)
        if not hands.traceable(x):
            return None
        found = of_acceptance(hands, x)
        if found.read.sum() >= FEWEST:
            break
    assert found is not None
    trajectory = f.growth > 1.6 or found.gradients > 2
    first = localise_parts.guess(found, place.target, x, h, trajectory)
    irreversible = first is not None and first[0] == "drift" and trajectory
    if irreversible and localise_momenta.skipped(hands, x):
        said = ["positions move more often than gradients are asked"]
        return "stale gradient", "drift", said
    if first is None and found.gradients > 2:
        return localise_momenta.of_late_gradients(hands, x)
    return first


def _with_memory(subject: Subject, f: MoveFeatures) -> Guess:
    """Equal arguments gave different results: what is carried from call to call?"""
    target = _bent(subject)
    carried = localise_memory.guess(subject, _place(subject))
    if carried is not None:
        return carried
    h = 0.05 * target.length**2
    found = of_sequence(subject, Place(target=target, step_size=h), None)
    now, last = found.scores.get("gradient", 0.0), found.scores.get("last gradient", 0.0)
    noise, slope = found.scores.get("last noise", 0.0), found.slopes.get("last noise", 0.0)
    if f.shared > TOGETHER or found.shared > TOGETHER:
        return "shared randomness", "schedule", ["chains vary together"]
    if slope > 0.2 and abs(noise) > CLEAR:
        return "momentum refresh", "shared randomness", ["a move goes on where the last one went"]
    if abs(last) > CLEAR and abs(last) > abs(noise) and abs(last) > 0.5 * abs(now):
        return "stale gradient", "schedule", [f"the gradient before enters ({last:.0f} se)"]
    if abs(noise) > CLEAR:
        return "shared randomness", "momentum refresh", [f"the last move enters ({noise:.0f} se)"]
    if found.time_score > CLEAR:
        return "schedule", "stale gradient", ["the size of moves changes from call to call"]
    return "stale gradient", "schedule", ["equal arguments gave different results"]


def _bent(subject: Subject) -> ExactTarget:
    bent = [t for t in subject.targets if not t.gaussian and t.lipschitz]
    return (bent or subject.targets)[0]


def _small_steps(subject: Subject, f: MoveFeatures, p: ProposalFeatures) -> Guess:
    """What the proposal does, and how refusals fall with the step."""
    # several leapfrog steps move farther than one Langevin step; so does a step size of their own
    trajectory = f.growth > 1.6 or p.noise > 2.5 * p.step_size
    order = _order_of_refusals(f)
    said = [f"drift over noise {p.ratio:.3f} at small steps", f"{1 - f.moved[-1]:.2g} refused"]
    bent = _refused_on_a_line(subject)
    if bent is not None and bent > SEEN:
        said = [*said, f"{bent:.2g} refused where U is linear"]
        return "Metropolis ratio", "drift" if trajectory else "proposal correction", said
    if p.deaf:
        return "momentum refresh", "shared randomness", [*said, "another seed brings equal moves"]
    if p.flat < FLAT:
        first = "momentum refresh" if trajectory else "shared randomness"
        return first, "noise scale", [*said, "moves from one place lie on a line"]
    if abs(f.spread_score) > 0.15 and not subject.kernel.with_momenta:
        return "proposal correction", "drift", ["the size of moves depends on the place"]
    if f.mean_score > CLEAR and f.growth < 0.9:
        return "proposal correction", "drift", [*said, "moves have a direction of their own"]
    if abs(p.ratio) < 0.25:
        return "Metropolis ratio", "proposal correction", [*said, "a random walk"]
    leaning = f.tilt > LEANING and order < 0.75
    # refusals that lean on the gradient cut the spread of the moves too
    least = 0.15 if leaning else 0.03
    misfit = abs(p.ratio - 1) > max(least, 4 * p.drift_error / max(p.noise, 1e-300))
    if leaning:
        return _leaning(f, p, trajectory, misfit, said)
    if misfit:
        if trajectory:
            return "momentum refresh", "drift", [*said, "momenta do not fit the trajectory"]
        return _farther_off(p, said)
    if p.square > CLEAR:
        first = "momentum refresh" if trajectory else "noise scale"
        return first, "Metropolis ratio", [*said, "moves from one place are not round"]
    if order < 1.25 and 1 - f.moved[-1] > 0.005:
        said = [*said, f"refusals fall like V^{order:.2f}"]
        if trajectory:
            return "stale gradient", "Metropolis ratio", said
        return "proposal correction", "stale gradient", said
    second = "momentum refresh" if trajectory else "proposal correction"
    return "Metropolis ratio", second, said


def _refused_on_a_line(subject: Subject) -> float | None:
    """The share refused where U is linear: none by leapfrog or Langevin, whatever their step size.

    None for walks and where gradients are not asked of the energy.
    """
    place = _place(subject)
    target, kernel = place.target, subject.kernel
    if "energy" not in kernel.names or kernel.caller.backend != "numpy":
        return None
    x = subject.draw(place, np.random.default_rng((subject.seed, 39)), CHAINS)
    d = target.for_step.dim
    slope = np.zeros(d)

    def advanced() -> tuple[TracedEnergy, FloatArray]:
        line = TracedEnergy(
            target.for_step,
            lift=lambda z: np.asarray(z @ slope),
            push=lambda z: np.broadcast_to(slope, z.shape).copy(),
            factor=0.0,
        )
        bent = replace(target, handed=line)
        return line, kernel.advance(x, bent, place.step_size, np.random.default_rng(40))

    try:
        _, after = advanced()
        # so steep that a move against the slope is felt
        slope = np.full(d, STEEP / (float(np.std((after - x)[:, :d])) + 1e-300))
        line, after = advanced()
        hands = Hands(
            subject=subject, target=replace(target, handed=line), step_size=place.step_size
        )
        if hands.traceable(x):
            return _decided(hands, x, line) if line.gradients else None
    except StepError:  # it wants an energy of its own kind
        return None
    if not line.gradients:
        return None
    return float(np.mean(np.all(after[:, :d] == x[:, :d], axis=1)))


def _decided(hands: Hands, x: FloatArray, line: TracedEnergy) -> float:
    """Share of chains that end elsewhere if every uniform is low rather than high."""
    plain = hands.run(x, None, line)
    ends = []
    for level in (0.001, 0.999):
        given = {
            slot: np.full(draw.values.shape, level)
            for slot, draw in enumerate(plain.draws)
            if draw.sort == "uniform" and draw.values.size in (1, len(x))
        }
        ends.append(hands.run(x, given, line).after)
    return float(np.mean(np.any(ends[0] != ends[1], axis=1)))


def _order_of_refusals(f: MoveFeatures) -> float:
    """The power of V with which refusals fall; large where hardly any are seen.

    In powers of V, not of the step size: a leapfrog step and a Langevin step then speak alike.
    """
    refused = 1 - f.moved
    seen = np.flatnonzero(refused >= FAINT)
    if len(seen) < 2 or not f.noise.min() > 0:
        return 9.0
    i, j = int(seen[0]), len(refused) - 1
    return float(math.log(refused[j] / refused[i]) / math.log(f.noise[j] / f.noise[i]))


def _leaning(
    f: MoveFeatures, p: ProposalFeatures, trajectory: bool, misfit: bool, said: list[str]
) -> Guess:
    """Acceptance leans on the gradient even at small steps."""
    k = (float(f.drift[0]) - p.drift) / max(p.noise, 1e-300)
    said = [*said, f"acceptance leans {k:.2f} on the gradient"]
    if trajectory:
        if misfit:
            return "drift", "Metropolis ratio", said
        return "Metropolis ratio", "drift", said
    if misfit:
        return _farther_off(p, said)
    # with log ratio a log pi(y)/pi(x) + b log q(y, x)/q(x, y) the leaning is a - b: of the
    # one-sided faults b = 0, -1, 2 give 1, 2, -1; a = -1 gives -2
    if k < -1.5:
        return "Metropolis ratio", "proposal correction", said
    return "proposal correction", "Metropolis ratio", said


def _farther_off(p: ProposalFeatures, said: list[str]) -> Guess:
    """Drift and noise do not fit: which of them is farther from the step size?"""
    off = [abs(math.log(max(v, 1e-300) / p.step_size)) for v in (p.drift, p.noise)]
    said = [*said, f"drift {p.drift / p.step_size:.3f} h, noise {p.noise / p.step_size:.3f} h"]
    if off[0] <= off[1]:
        return "noise scale", "drift", said
    return "drift", "noise scale", said

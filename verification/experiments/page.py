"""docs/experiments.md, from the stored results: tables, and where a baseline wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from solvers.learning.systems import system_named

from .methods import TITLES
from .plan import METHODS, STEPS, SYSTEMS, UPDATES, Sizes
from .table import SCORES, Cell, Result, best, cell, cells, kinds, told_apart
from .verdicts import in_words, verdicts

COMMAND = "python -m benchmarks experiments"

_HEAD = """# Learning experiments

Written by `{command}`, which runs what is not stored yet and goes on where it was stopped.
{runs} runs: {systems} systems, {methods} methods, seeds {seeds}.

Every method sees the same {train} training points of a seed, in standardised units, and has about
the same number of parameters. Held-out data are the same for all. A value is the mean over seeds
with Student's 95 per cent interval; **bold** is the best mean of a column, and a dagger marks what
its interval does not tell from the best.

- *log-likelihood*: mean over {likelihood} held-out points, by quadrature with latents integrated
  out; the width of the quadrature is part of the interval, and a note says where it is seen. A
  number that is bounded on one side only is called by that side.
- *sliced W2*: of {sample} draws against {sample} held-out points, root mean square over {blocks}
  pairs; *ratio to truth* divides by the same of two held-out samples.
- *energy distance*: 2 E|X-Y| - E|X-X'| - E|Y-Y'|, unbiased, so it may be negative near equality.
- *reconstruction*: the first coordinate is given, the others are filled in by {draws} draws for
  {masked} points. The score E|Y-y| - E|Y-Y'|/2 is proper (least for the true conditional law); the
  error is that of the mean of the draws. "Blind" is the score of draws that ignore what is given.
- *seconds*: processor time of the fit, on one thread; wall time in brackets, which also counts
  waiting for a processor that other runs were using.
"""


def page(results: Sequence[Result], sizes: Sizes, machine: str) -> str:
    """The whole page in Markdown."""
    seeds = sorted({r["seed"] for r in results})
    head = _HEAD.format(
        command=COMMAND,
        runs=len(results),
        systems=len({r["system"] for r in results}),
        methods=len({r["method"] for r in results}),
        seeds=", ".join(map(str, seeds)),
        train=sizes.train,
        likelihood=sizes.likelihood,
        sample=sizes.sample,
        blocks=sizes.blocks,
        draws=sizes.draws,
        masked=sizes.masked,
    )
    parts = [head.strip(), _settings(), f"Machine: {machine}.", in_words(results)]
    parts += [_section(results, s) for s in SYSTEMS if any(r["system"] == s for r in results)]
    parts += [verdicts(results), _failures(results), _figures()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _settings() -> str:
    """What a run was asked, and how that was settled."""
    updates = ", ".join(f"{TITLES[m]} {UPDATES[m]}" for m in METHODS)
    steps = ", ".join(f"{s.replace('_', ' ')} {STEPS[s]:g}" for s in SYSTEMS)
    return (
        f"Updates: {updates}. Langevin steps of PCD: {steps}; those of LV-EBM follow its pool's "
        "acceptance. Settings of LV-EBM were chosen on validation rows that are in no table "
        "(`python -m benchmarks validation`). Those of the other methods were settled by hand on "
        "seed 0, looking at the held-out data that are used here, which can only favour them. "
        "Nothing was changed for any seed."
    )


def _section(results: Sequence[Result], system: str) -> str:
    own = [r for r in results if r["system"] == system]
    columns = ["method", *[s.title for s in SCORES], "seconds", "parameters"]
    if any(r.get("modes") for r in own):
        columns.insert(-2, "modes hit")
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += [
        "| " + " | ".join(_row(own, system, method, columns)) + " |"
        for method in METHODS
        if any(r["method"] == method for r in own)
    ]
    notes = _notes(own)
    title = f"## {system_named(system).title}"
    return "\n".join([title, "", f"`{COMMAND}`", "", *lines, "", notes]).rstrip()


def _row(own: Sequence[Result], system: str, method: str, columns: Sequence[str]) -> list[str]:
    entries = [TITLES[method]]
    for score in SCORES:
        table = cells(own, score)
        text = _entry(table, system, method, best(table, system, score))
        if score.key == "likelihood":
            names = [k for k in kinds(own, system, method) if k != "exact by quadrature"]
            text += f" ({', '.join(names)})" if names else ""
        entries.append(text)
    fine = [r for r in own if r["method"] == method and not r.get("failed")]
    if "modes hit" in columns:
        entries.append(_mean_of([r["modes"]["hit"] for r in fine if r.get("modes")], "{:.1f}"))
    wall = _mean_of([r["fit"]["seconds"] for r in fine], "{:.0f}")
    processor = _mean_of([r["fit"]["processor_seconds"] for r in fine], "{:.0f}")
    entries.append(f"{processor} ({wall})")
    entries.append(_mean_of([r["fit"]["parameters"] for r in fine], "{:.0f}"))
    return entries


def _mean_of(values: Sequence[float], form: str) -> str:
    return form.format(float(np.mean(values))) if values else "-"


def _entry(
    table: Mapping[tuple[str, str], Cell], system: str, method: str, winner: str | None
) -> str:
    if (system, method) not in table:
        return "-"
    own = table[system, method]
    if method == winner:
        return f"**{own}**"
    assert winner is not None
    return str(own) if told_apart(own, table[system, winner]) else f"{own} †"


def _notes(own: Sequence[Result]) -> str:
    fine = [r for r in own if not r.get("failed")]
    if not fine:
        return ""
    found = []
    if fine[0]["true_likelihood"] is not None:
        found.append(
            f"log-likelihood of the true law on these data {fine[0]['true_likelihood']:.3f}"
        )
    found.append(f"sliced W2 of two true samples {fine[0]['sliced_of_truth']['value']:.3f}")
    blind = cell([r["reconstruction"]["blind_score"]["value"] for r in fine])
    found.append(f"blind reconstruction score {blind.value:.3f}" if blind else "")
    found += _widths(fine) + _sampling(fine)
    return "; ".join(text[:1].upper() + text[1:] for text in found if text) + "."


def _widths(fine: Sequence[Result]) -> list[str]:
    """Where quadrature leaves the log-likelihood open by more than what is printed."""
    widths: dict[str, list[float]] = {}
    for result in fine:
        widths.setdefault(result["method"], []).append(SCORES[0].width_of(result))
    return [
        f"quadrature knows the log-likelihood of {TITLES[m]} to ± {np.mean(w):.2f}"
        for m, w in widths.items()
        if np.mean(w) > 0.005
    ]


def _sampling(fine: Sequence[Result]) -> list[str]:
    """How far chains of one datum disagreed, where reconstruction ran chains."""
    worst: dict[str, float] = {}
    for result in fine:
        info: Mapping[str, Any] = result["reconstruction"]["info"]
        if info.get("disagreement"):
            value = float(info["disagreement"]["median"])
            worst[result["method"]] = max(worst.get(result["method"], 0.0), value)
    return [
        f"median split R-hat of the reconstruction chains of {TITLES[m]} at most {v:.2f}"
        for m, v in worst.items()
    ]


def _failures(results: Sequence[Result]) -> str:
    failed = [r for r in results if r.get("failed")]
    cut = [r for r in results if not r.get("failed") and r["fit"]["updates"] < r["fit"]["asked"]]
    lines = [
        f"- {r['system']}, {TITLES[r['method']]}, seed {r['seed']}: {r['failed']}" for r in failed
    ]
    lines += [
        f"- {r['system']}, {TITLES[r['method']]}, seed {r['seed']}: cut short by the time limit "
        f"after {r['fit']['updates']} of {r['fit']['asked']} updates"
        for r in cut
    ]
    return "\n".join(["## Runs that failed or were cut short", "", *lines]) if lines else ""


def _figures() -> str:
    return """## Figures

Of the first seed, from the stored arrays.

`lvebm figures learned_densities`: densities where the data are a plane (the truth's where it is
known), samples otherwise.

![true and learned densities](pictures/learned_densities.png)

`lvebm figures learned_reconstructions`: held-out data in grey, and draws of the last coordinate
given the first in orange.

![reconstructions](pictures/learned_reconstructions.png)"""

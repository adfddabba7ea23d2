"""Who wins where, in words that follow from the numbers alone."""

from __future__ import annotations

from collections.abc import Sequence

from solvers.learning.systems import system_named

from .methods import TITLES
from .plan import METHODS, SYSTEMS
from .table import SCORES, Result, best, cells, told_apart

# the ratio is the sliced distance over a constant of the system
COMPARED = tuple(score for score in SCORES if score.key != "ratio")


def in_words(results: Sequence[Result]) -> str:
    """How often the latent-variable energy is best, level with the best, and beaten by whom."""
    best_of, level, beaten = 0, 0, dict.fromkeys(METHODS[1:], 0)
    for score in COMPARED:
        table = cells(results, score)
        for system in SYSTEMS:
            winner, own = best(table, system, score), table.get((system, METHODS[0]))
            if winner is None or own is None:
                continue
            if winner == METHODS[0]:
                best_of += 1
            elif told_apart(own, table[system, winner]):
                beaten[winner] += 1
            else:
                level += 1
    count = best_of + level + sum(beaten.values())
    if not count:
        return ""
    by = [f"{TITLES[m]} ({k})" for m, k in beaten.items() if k]
    return (
        f"In short: of {count} comparisons (a score on a system), {TITLES[METHODS[0]]} has the "
        f"best mean in {best_of}, is not told from the best in {level}, and a baseline beats it in "
        f"{count - best_of - level}" + (f": {', '.join(by)}." if by else ".")
    )


def verdicts(results: Sequence[Result]) -> str:
    """Where the latent-variable energy wins and where a baseline does."""
    lines = ["## Who wins", ""]
    for score in COMPARED:
        table = cells(results, score)
        texts = []
        for system in SYSTEMS:
            winner = best(table, system, score)
            if winner is None:
                continue
            own = table.get((system, "latent_energy"))
            text = f"{system_named(system).name.replace('_', ' ')}: {TITLES[winner]}"
            if winner != "latent_energy" and own is not None:
                apart = told_apart(own, table[system, winner])
                text += " (told from LV-EBM)" if apart else " (not told from LV-EBM)"
            texts.append(text)
        lines.append(f"- {score.title}: " + "; ".join(texts) + ".")
    return "\n".join(lines)

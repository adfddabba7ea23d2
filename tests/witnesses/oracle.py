"""The oracle: verdicts and values of the catalogue run, which a rewritten claim has to give again.

Made by ``lvebm verify --budget quick --out RUN && python -m tests.witnesses.oracle RUN``; each row
holds what a planned finding is, its verdict, its value, its half-width and its bound.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

STORED = Path(__file__).with_name("oracle.json")
# at a resolution's edge another seed may leave open what one seed decided
OPEN = "UNDECIDED"


def key(claim, setting, quantity, part, relation, witness, time, control):
    """What a planned finding is, whatever back end moved the particles."""
    witness = "particles" if witness in ("numba", "torch") else witness
    moment = "" if time is None else f"{time:.6g}"
    return "|".join([claim, setting, quantity, part, relation, witness, moment, control or ""])


def load():
    """key -> (verdict, value, half-width, bound)."""
    return {row[0]: tuple(row[1:]) for row in json.loads(STORED.read_text())}


def differences(claim, records, stored):
    """Sentences: a verdict that changed, a value outside both widths, a case more or fewer."""
    found, seen = [], set()
    for (setting, case), record in records.items():
        k = key(
            claim.name, setting, case.quantity, case.part, case.relation.value, case.witness,
            case.time, case.control,
        )  # fmt: skip
        seen.add(k)
        if k not in stored:
            found.append(f"{k}: not in the oracle")
            continue
        verdict, value, half, bound = stored[k]
        if record.verdict.value != verdict and OPEN not in (verdict, record.verdict.value):
            found.append(f"{k}: {record.verdict.value}, was {verdict}")
        if record.outcome is None or value is None:
            continue
        m = record.outcome.measurement
        allowed = m.half_width + half + 1e-9 * (1 + abs(value))
        if case.control is None and abs(m.value - value) > allowed:
            found.append(f"{k}: {m.value:.9g} +- {m.half_width:.2g}, was {value:.9g} +- {half:.2g}")
        if abs(record.outcome.bound - bound) > allowed + 1e-6 * abs(bound):
            found.append(f"{k}: bound {record.outcome.bound:.9g}, was {bound:.9g}")
    lost = {k for k in stored if k.startswith(f"{claim.name}|")} - seen
    return found + [f"{k}: gone" for k in sorted(lost)]


def main(run):
    """Stores the findings of a run."""
    rows = {}
    for f in json.loads((Path(run) / "findings.json").read_text())["findings"]:
        if f["claim"] == "witnesses-agree":
            continue
        k = key(
            f["claim"], f["setting"], f["quantity"], f["provenance"].get("part", ""),
            f["relation"], f["witness"], f["time"], f["control"],
        )  # fmt: skip
        value = f["measured"]
        half = None if value is None else (f["statistical"] or 0.0) + (f["numerical"] or 0.0)
        rows[k] = [k, f["verdict"], value, half, f["bound"]]
    lines = ",\n".join(json.dumps(row) for _, row in sorted(rows.items()))
    STORED.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(sys.argv[1])

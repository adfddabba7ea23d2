"""What a measurement returns, and how it is stored and shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .machine import instruction_set, machine

RESULTS = Path(__file__).parent / "results"
OWN = ("lvebm-theory", "numpy", "scipy", "numba", "torch")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of one measurement.

    Parameters
    ----------
    columns : names in order
    rows : one mapping per row; entries are numbers, strings or None
    notes : sentences for the reader
    peers : distribution names whose versions belong to the result
    details : anything else worth keeping, JSON only
    """

    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = ()
    peers: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def markdown(self) -> str:
        """The rows as a table."""
        return markdown(self.columns, self.rows)


def markdown(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(shown(row.get(c)) for c in columns) + " |" for row in rows]
    return "\n".join(lines)


def shown(entry: Any) -> str:
    """An entry for a reader: three digits, nothing for None."""
    if entry is None:
        return ""
    if isinstance(entry, float):
        return f"{entry:.3g}"
    return str(entry)


def versions(names: Sequence[str]) -> dict[str, str]:
    """Installed versions of distributions; those that are absent are left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def header(body: Mapping[str, Any]) -> str:
    """Command, date, machine and versions of a stored result, in one line."""
    where = body["machine"]
    load = f", load {body['load']:.2f} before" if "load" in body else ""
    return (
        f"`python -m benchmarks {body['name']}`, {body['date']}, {where['processor']}, "
        f"{where['cores']} cores, {where['vector']}{load}, Python {where['python']}; "
        + ", ".join(f"{k} {v}" for k, v in body["versions"].items())
    )


def store(name: str, title: str, table: Table, load: float) -> Path:
    """Writes NAME.json and NAME.md to the folder of this set of instructions; returns the latter.

    ``load`` is what the machine did before the measurement began.
    """
    folder = RESULTS / instruction_set()
    folder.mkdir(parents=True, exist_ok=True)
    body = {
        "name": name,
        "title": title,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "load": round(load, 2),
        "versions": versions((*OWN, *table.peers)),
        "columns": list(table.columns),
        "rows": [dict(row) for row in table.rows],
        "notes": list(table.notes),
        "details": dict(table.details),
    }
    text = json.dumps(body, indent=1, allow_nan=False) + "\n"
    (folder / f"{name}.json").write_text(text)
    lines = [f"# {title}", "", header(body), "", table.markdown(), "", *table.notes]
    target = folder / f"{name}.md"
    target.write_text("\n".join(lines).rstrip() + "\n")
    return target


def stored(name: str) -> dict[str, dict[str, Any]]:
    """The stored results of a measurement, by set of instructions."""
    return {
        path.parent.name: json.loads(path.read_text())
        for path in sorted(RESULTS.glob(f"*/{name}.json"), reverse=True)
    }

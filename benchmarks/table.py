"""What a measurement returns, and how it is stored and shown."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

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
        lines = ["| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
        for row in self.rows:
            lines.append("| " + " | ".join(shown(row.get(c)) for c in self.columns) + " |")
        return "\n".join(lines)


def shown(entry: Any) -> str:
    """An entry for a reader: three digits, nothing for None."""
    if entry is None:
        return ""
    if isinstance(entry, float):
        return f"{entry:.3g}"
    return str(entry)


def machine() -> dict[str, Any]:
    """Processor, cores, and the vector instructions that matter for ratios."""
    model, flags = platform.processor(), ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            elif key.strip() == "flags":
                flags = value
    vector = next((v for v in ("avx512f", "avx2") if v in flags.split()), "neither AVX2 nor 512")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "vector": vector,
        "python": platform.python_version(),
        "system": platform.system(),
    }


def versions(names: Sequence[str]) -> dict[str, str]:
    """Installed versions of distributions; those that are absent are left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def store(name: str, title: str, table: Table) -> Path:
    """Writes results/NAME.json and NAME.md; returns the latter."""
    RESULTS.mkdir(exist_ok=True)
    body = {
        "name": name,
        "title": title,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions((*OWN, *table.peers)),
        "columns": list(table.columns),
        "rows": [dict(row) for row in table.rows],
        "notes": list(table.notes),
        "details": dict(table.details),
    }
    text = json.dumps(body, indent=1, allow_nan=False) + "\n"
    (RESULTS / f"{name}.json").write_text(text)
    where = body["machine"]
    lines = [
        f"# {title}",
        "",
        f"`python -m benchmarks {name}`, {body['date']}, {where['processor']}, "
        f"{where['cores']} cores, {where['vector']}, Python {where['python']}; "
        + ", ".join(f"{k} {v}" for k, v in body["versions"].items()),
        "",
        table.markdown(),
        "",
        *table.notes,
    ]
    target = RESULTS / f"{name}.md"
    target.write_text("\n".join(lines).rstrip() + "\n")
    return target

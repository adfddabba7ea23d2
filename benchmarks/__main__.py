"""``python -m benchmarks [NAME...] [--brief]``; without a name, all of them.

``--document`` measures nothing and writes docs/performance.md from the stored results.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from . import NAMES, document
from .machine import load
from .table import store


def main() -> int:
    """Measures, prints, and stores (not with --brief, whose figures are no results)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--brief", action="store_true", help="a few seconds each, nothing stored")
    parser.add_argument("--document", action="store_true", help="write docs/performance.md only")
    asked = parser.parse_args()
    if asked.document:
        print(f"written: {document.write()}; no result yet: {', '.join(document.missing()) or '-'}")
        return 0
    if unknown := [name for name in asked.names if name not in NAMES]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(NAMES)}")
    for name in asked.names or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        before = load()
        began = time.perf_counter()
        table = module.measure(asked.brief)
        print(f"\n{module.TITLE}\n{table.markdown()}")
        print(*table.notes, f"({time.perf_counter() - began:.0f} s)", sep="\n", flush=True)
        if table.rows and not asked.brief:
            print(f"stored: {store(name, module.TITLE, table, before)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What was skipped, and whether it may be: ``skips.py MAIN.xml EXTRAS.xml``, reports of pytest.

A test that the main environment skips for want of a package must have run in the environment with
the extras. Every other reason must be named in allowed_skips.txt, one regular expression a line.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

MISSING = re.compile(r"is not installed|could not import|collection skipped")


def outcomes(report: str) -> dict[str, str | None]:
    """Why a test was skipped by its name, None where it ran; a whole module bears its own name."""
    found: dict[str, str | None] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        skipped = case.find("skipped")
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        found[name] = None if skipped is None else skipped.get("message", "")
    return found


def ran(name: str, report: dict[str, str | None]) -> bool:
    """The test, or some test of the module, was not skipped."""
    return any(
        reason is None and (other == name or other.startswith(name + "."))
        for other, reason in report.items()
    )


def main() -> int:
    """Prints the allowed skips by reason; 1 where one is not allowed."""
    plain, extras = (outcomes(report) for report in sys.argv[1:3])
    lines = Path(__file__).with_name("allowed_skips.txt").read_text().splitlines()
    allowed = [re.compile(line) for line in lines if line and not line.startswith("#")]
    fine: Counter[str] = Counter()
    refused = []
    for name, reason in [*plain.items(), *extras.items()]:
        if reason is None:
            continue
        here = ran(name, extras) if MISSING.search(reason) else False
        if here or any(pattern.search(reason) for pattern in allowed):
            fine[reason] += 1
        else:
            refused.append(f"{name}: {reason}")
    print("skipped, as may be:")
    for reason, count in sorted(fine.items()):
        print(f"  {count:3d}  {reason}")
    if refused:
        print("skipped, but not allowed:", *refused, sep="\n  ")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())

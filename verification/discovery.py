"""Finding claims by walking a package: no list to edit by hand, no solver imported.

A claim's module imports its solvers inside ``evaluate``, so that walking is instant.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache

from lvebm_theory.errors import ArgumentError

from .claim import Claim

BUILT_IN = "verification.claims"


def _modules(package: str) -> Iterable[str]:
    root = importlib.import_module(package)
    yield package
    for found in pkgutil.walk_packages(getattr(root, "__path__", ()), prefix=f"{package}."):
        yield found.name


@cache
def claims(package: str = BUILT_IN) -> Mapping[str, Claim]:
    """Every module-level ``claim`` below a package, by name, in alphabetical order.

    Parameters
    ----------
    package : str
        Importable name of the package to walk.

    Raises
    ------
    ArgumentError
        The package cannot be imported, or two claims share a name.
    """
    found: dict[str, Claim] = {}
    try:
        names = list(_modules(package))
    except ModuleNotFoundError as error:
        raise ArgumentError(f"no package {package!r} with claims: {error}") from error
    for name in names:
        claim = getattr(importlib.import_module(name), "claim", None)
        if not isinstance(claim, Claim) or found.get(claim.name) is claim:
            continue
        if claim.name in found:
            raise ArgumentError(f"two claims are called {claim.name!r}; the second is in {name}")
        found[claim.name] = claim
    return dict(sorted(found.items()))


def nearest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'kl-decay'?"``, or an empty string when nothing is close."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def select(names: Iterable[str] | None, package: str = BUILT_IN) -> Mapping[str, Claim]:
    """The claims of these names, in alphabetical order; all of them for None.

    Raises
    ------
    ArgumentError
        An unknown name, with the nearest known one.
    """
    known = claims(package)
    if names is None:
        return known
    wanted = list(names)
    if not wanted:
        raise ArgumentError("no claim is named; leave --claims out to ask all of them")
    for name in wanted:
        if name not in known:
            raise ArgumentError(
                f"unknown claim {name!r}{nearest(name, known)} (`lvebm list` names them all)"
            )
    return {name: claim for name, claim in known.items() if name in set(wanted)}

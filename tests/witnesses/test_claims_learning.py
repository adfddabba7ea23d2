"""Every claim about learning theta: holds, discriminates, and misses no control."""

import importlib
import pkgutil

import pytest

from verification.claim import Claim

from .confrontation import check, confront


def _claims():
    package = importlib.import_module("verification.claims.learning")
    for found in pkgutil.iter_modules(package.__path__):
        claim = getattr(importlib.import_module(f"{package.__name__}.{found.name}"), "claim", None)
        if isinstance(claim, Claim):
            yield claim


CLAIMS = {claim.name: claim for claim in _claims()}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS.keys())
def test_a_claim_holds_and_its_controls_are_caught(claim):
    check(claim, confront(claim))

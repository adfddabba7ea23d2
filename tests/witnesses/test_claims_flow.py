"""Every claim about the flow of one energy: holds, discriminates, and misses no control."""

import importlib
import pkgutil

import pytest

import verification.claims.flow
from verification.claim import Claim

from .confrontation import check, confront

CLAIMS = {
    claim.name: claim
    for found in pkgutil.iter_modules(verification.claims.flow.__path__)
    if isinstance(
        claim := getattr(
            importlib.import_module(f"verification.claims.flow.{found.name}"), "claim", None
        ),
        Claim,
    )
}


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS.keys())
def test_a_claim_holds_and_its_controls_are_caught(claim):
    check(claim, confront(claim))

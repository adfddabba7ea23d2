"""Laws for samplers in a pytest suite: a decorator and a fixture.

from verification.samplers.plugin import sampler_test

@sampler_test(kind="adjusted")
def test_my_sampler(x, energy, step_size, rng): ...          # the step itself

test_theirs = sampler_test(kind="adjusted")(their_package.step)

def test_with_the_fixture(sampler_laws):                     # one alpha for the whole function
    sampler_laws(my_sampler, kind="adjusted")

Targets and step sizes are drawn by Hypothesis; a failure is shrunk to the simplest target that
shows it and stored in Hypothesis's database, from where it is replayed first next time. This module
is loaded by pytest itself, so it imports nothing of weight before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .property_test import Summary

ALPHA = 1e-6


def sampler_test(**options: Any) -> Callable[[Callable[..., Any]], Callable[[], None]]:
    """Turns a step into a test: ``@sampler_test(kind="adjusted", alpha=1e-6, examples=10, ...)``.

    Parameters
    ----------
    **options
        Of ``PropertyTest``: kind, alpha, examples, budget or calls, max_dim, targets, seed,
        database, and what ``check_sampler`` takes besides.

    Returns
    -------
    decorator
        Of a step; what it returns takes no argument, as pytest wants it, and raises
        ``LawViolation`` when the step breaks a law.
    """

    def decorate(step: Callable[..., Any]) -> Callable[[], None]:
        def test() -> None:
            from .property_test import PropertyTest

            PropertyTest(step, name=test.__qualname__, **options).run()

        test.__name__ = getattr(step, "__name__", "test_step")
        test.__qualname__ = f"{getattr(step, '__module__', '')}.{test.__name__}"
        test.__doc__ = getattr(step, "__doc__", None)
        test.__module__ = getattr(step, "__module__", __name__)
        return test

    return decorate


class SamplerLaws:
    """What the fixture gives: call it with a step; all calls of one test share one alpha.

    Parameters
    ----------
    name : str
        Of the test, under which failing examples are stored.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._alpha: float | None = None
        self._spending: Any = None
        self._calls = 0

    def __call__(
        self, step: Callable[..., Any], kind: str = "adjusted", alpha: float = ALPHA, **options: Any
    ) -> Summary:
        """Tests a step; options as for ``sampler_test``.

        Raises
        ------
        LawViolation
            The step breaks a law.
        ArgumentError
            Unusable options, or another alpha than the first call of this test had.
        """
        __tracebackhide__ = True
        from lvebm_theory.errors import ArgumentError

        from .property_test import PropertyTest
        from .sequential import Spending

        if self._spending is None:
            self._alpha, self._spending = alpha, Spending(alpha)
        if alpha != self._alpha:
            raise ArgumentError(f"this test spends alpha = {self._alpha}, now {alpha} was asked")
        self._calls += 1
        test = PropertyTest(
            step,
            kind=kind,
            alpha=alpha,
            name=f"{self._name} {self._calls}",
            spending=self._spending,
            **options,
        )
        return test.run()


@pytest.fixture
def sampler_laws(request: pytest.FixtureRequest) -> SamplerLaws:
    """Tests a step against the laws for samplers: ``sampler_laws(step, kind="adjusted")``."""
    return SamplerLaws(request.node.nodeid)

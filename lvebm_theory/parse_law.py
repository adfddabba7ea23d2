"""Initial laws typed as text: ``normal(1.2, 0.25)``, products, and mixtures of these.

Grammar:
    product  law * law * ... or law, law, ...   one factor per coordinate
    mixture  w*law + w*law + ...                 weights > 0 that sum to one
    atom     normal(mean, sd)
A law of one coordinate serves every coordinate.
"""

from __future__ import annotations

import ast
import math

import numpy as np

from .errors import ArgumentError
from .initial import InitialLaw
from .syntax import syntax_tree

MAX_COMPONENTS = 4096

_EXPECTED = "expected normal(mean, sd), products and weighted sums of these"
# weight, then one (mean, sd) per coordinate
Component = tuple[float, tuple[tuple[float, float], ...]]


def parse_initial(text: str, dim: int) -> InitialLaw:
    """The law of ``"normal(0, 1)"``, ``"0.5*normal(-1, .1) + 0.5*normal(1, .1)"``, and so on.

    Parameters
    ----------
    text : str
        In d > 1 a law of one coordinate applies to each of them independently;
        ``normal(0,1)*normal(1,0.5)`` or ``normal(0,1), normal(1,0.5)`` give one factor per
        coordinate, each of which may be a mixture in brackets.
    dim : int
        Dimension d of the result.

    Raises
    ------
    ArgumentError
        For anything else, weights that do not sum to one, sd <= 0, or the wrong dimension.
    """
    tree = syntax_tree(text, "the start")
    parts = tree.elts if isinstance(tree, ast.Tuple) else [tree]
    law = _read(parts[0])
    for part in parts[1:]:
        law = _product(law, _read(part))
    own = len(law[0][1])
    if own == 1 and dim > 1:
        single = law
        for _ in range(dim - 1):
            law = _product(law, single)
    elif own != dim:
        raise ArgumentError(f"the start must have {dim} coordinates, got {own} in {text!r}")
    return InitialLaw(
        weights=np.array([w for w, _ in law]),
        means=np.array([[m for m, _ in c] for _, c in law]),
        sds=np.array([[s for _, s in c] for _, c in law]),
    )


def _read(node: ast.expr) -> list[Component]:
    match node:
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _mixture([*_terms(left), *_terms(right)])
        case ast.BinOp(op=ast.Mult()):
            return _weighted_product(node)
        case ast.Call(func=ast.Name(id="normal"), args=[mean, sd], keywords=[]):
            return [(1.0, ((_number(mean), _deviation(sd)),))]
        case ast.Call(func=ast.Name(id="normal")):
            raise ArgumentError(f"normal takes (mean, sd), got {ast.unparse(node)!r}")
    raise ArgumentError(f"the start contains {ast.unparse(node)!r}; {_EXPECTED}")


def _terms(node: ast.expr) -> list[list[Component]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_terms(node.left), *_terms(node.right)]
    return [_read(node)]


def _mixture(terms: list[list[Component]]) -> list[Component]:
    if len({len(t[0][1]) for t in terms}) > 1:
        raise ArgumentError("the components of a mixture must have equally many coordinates")
    return [component for term in terms for component in term]


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _weighted_product(node: ast.expr) -> list[Component]:
    weight, laws = 1.0, []
    for factor in _factors(node):
        number = _number_or_none(factor)
        if number is None:
            laws.append(_read(factor))
        else:
            weight *= number
    if not laws:
        raise ArgumentError(f"the start contains {ast.unparse(node)!r}; {_EXPECTED}")
    law = laws[0]
    for other in laws[1:]:
        law = _product(law, other)
    return [(weight * w, c) for w, c in law]


def _product(left: list[Component], right: list[Component]) -> list[Component]:
    for factor in (left, right):
        total = sum(w for w, _ in factor)
        if abs(total - 1) > 1e-9:
            raise ArgumentError(f"the weights of each factor must sum to one, got {total:g}")
    if len(left) * len(right) > MAX_COMPONENTS:
        raise ArgumentError(f"the start may have {MAX_COMPONENTS} components")
    return [(v * w, (*a, *b)) for v, a in left for w, b in right]


def _deviation(node: ast.expr) -> float:
    value = _number(node)
    if value <= 0:
        raise ArgumentError(f"a standard deviation must be > 0, got {value:g}")
    return value


def _number(node: ast.expr) -> float:
    value = _number_or_none(node)
    if value is None:
        raise ArgumentError(f"the start needs numbers, got {ast.unparse(node)!r}")
    return value


def _number_or_none(node: ast.expr) -> float | None:
    """A number: literals, a sign, and quotients such as 1/3."""
    value: float | None = None
    match node:
        case ast.Constant(value=int() | float() as constant) if not isinstance(constant, bool):
            value = float(constant) if abs(constant) < 1e300 else math.inf
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _number_or_none(operand)
            value = None if inner is None else -inner
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            value = _number_or_none(operand)
        case ast.BinOp(op=ast.Div(), left=left, right=right):
            above, below = _number_or_none(left), _number_or_none(right)
            if above is None or below is None:
                return None
            value = above / below if below else math.inf
    if value is not None and not math.isfinite(value):
        raise ArgumentError(f"the start needs finite numbers, got {ast.unparse(node)!r}")
    return value

"""The syntax of typed formulas: what the tree may contain, and how large it may be.

Every node is on a list or refused, and length, nesting and number of parts are bounded, before
anything is computed.
"""

from __future__ import annotations

import ast
import re
from difflib import get_close_matches

from .errors import ArgumentError

MAX_TEXT = 4000
MAX_NESTING = 60
MAX_NODES = 2000

FUNCTIONS: dict[str, str] = {
    **{n: n for n in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan")},
    **{n: n for n in ("erf", "abs", "sign", "log1p", "log_cosh")},
    "arctan": "atan",
    "ln": "log",
    "logcosh": "log_cosh",
}
SEVERAL = {
    "max": "maximum",
    "min": "minimum",
    "log_sum_exp": "log_sum_exp",
    "logsumexp": "log_sum_exp",
}
# a Python keyword that is also a Greek letter cannot reach ast under its own name
KEYWORD = "lambda"
STAND_IN = "lambda_"
_ALLOWED = (ast.Constant, ast.Name, ast.UnaryOp, ast.BinOp, ast.Call)


def syntax_tree(text: str, what: str) -> ast.expr:
    """The parsed expression, with bounded length and nesting.

    Raises
    ------
    ArgumentError
        For anything that is not one bounded Python expression; hints at ``**`` for ``^``.
    """
    if not isinstance(text, str) or not text.strip():
        raise ArgumentError(f"{what} must be a formula, got {text!r}")
    if len(text) > MAX_TEXT:
        raise ArgumentError(f"{what} may have {MAX_TEXT} characters, got {len(text)}")
    text = text.strip()
    if not text.isprintable():
        raise ArgumentError(f"{what} must be one line of printable characters, got {text!r}")
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        raise ArgumentError(f"{what} may nest {MAX_NESTING} deep, got {deepest} brackets")
    prepared = re.sub(rf"\b{KEYWORD}\b", STAND_IN, text)
    try:
        tree = ast.parse(prepared, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = getattr(error, "msg", None) or type(error).__name__
        raise ArgumentError(f"{what} {text!r} is not a formula: {reason}") from None
    _check_size(tree, what)
    return tree


def _check_size(tree: ast.expr, what: str) -> None:
    level, count, nodes = 0, 0, [tree]
    while nodes:
        level, count = level + 1, count + len(nodes)
        if level > 2 * MAX_NESTING:
            raise ArgumentError(f"{what} may nest {2 * MAX_NESTING} operations deep")
        if count > MAX_NODES:
            raise ArgumentError(f"{what} may have {MAX_NODES} parts")
        nodes = [c for n in nodes for c in ast.iter_child_nodes(n) if isinstance(c, ast.expr)]


def names_in(tree: ast.expr) -> list[str]:
    """Names used as values, in order, with repetitions."""
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return [
        n.id.replace(STAND_IN, KEYWORD) if n.id == STAND_IN else n.id
        for n in ast.walk(tree)
        if isinstance(n, ast.Name) and id(n) not in called
    ]


def quoted(node: ast.AST) -> str:
    """The source of a node, short enough for a message."""
    text = ast.unparse(node).replace(STAND_IN, KEYWORD)
    return repr(text if len(text) <= 60 else text[:57] + "...")


def check_vocabulary(tree: ast.expr) -> None:
    """Refuse every node and every call that formulas do not have.

    Raises
    ------
    ArgumentError
        Naming the first offender; an unknown function gets the nearest known one.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            _check_call(node)
        elif isinstance(node, ast.expr) and not isinstance(node, _ALLOWED):
            raise ArgumentError(f"a formula cannot contain {_kind(node)}: {quoted(node)}")


def _check_call(node: ast.Call) -> None:
    if not isinstance(node.func, ast.Name):
        raise ArgumentError(f"a formula cannot call {quoted(node.func)}")
    name = node.func.id
    if name not in FUNCTIONS and name not in SEVERAL:
        near = get_close_matches(name, [*FUNCTIONS, *SEVERAL], n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(FUNCTIONS)}"
        raise ArgumentError(f"unknown function {name!r}; {hint}")
    if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
        raise ArgumentError(f"functions take plain arguments, got {quoted(node)}")
    if name in FUNCTIONS and len(node.args) != 1:
        raise ArgumentError(f"{name} takes one argument, got {len(node.args)}")
    if not node.args:
        raise ArgumentError(f"{name} takes at least one argument, got 0")


def _kind(node: ast.AST) -> str:
    kinds = {
        ast.Attribute: "attribute access",
        ast.Subscript: "a subscript (write x0, x1, ... for coordinates)",
        ast.Compare: "a comparison",
        ast.BoolOp: "and/or",
        ast.IfExp: "if/else",
        ast.Tuple: "a comma",
        ast.UnaryOp: "this operator",
    }
    return kinds.get(type(node), f"a {type(node).__name__.lower()}")

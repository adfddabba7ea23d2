"""Python source as data: what the generators of fast modules share.

Text is parsed, checked and rewritten with ``ast``; nothing here runs it.
"""

from __future__ import annotations

import ast
import functools
import inspect
import threading
from collections.abc import Callable
from types import ModuleType
from typing import ParamSpec, TypeVar

_BODY = "# body:"
# CPython before 3.13 counts the depth of trees that it builds per interpreter: two threads in
# ``ast.parse`` can end in a SystemError
_ONE_THREAD = threading.RLock()
Arguments = ParamSpec("Arguments")
Made = TypeVar("Made")


def made_once(maker: Callable[Arguments, Made]) -> Callable[Arguments, Made]:
    """A maker of modules or texts that remembers what it made, one thread at a time.

    Every function that works on trees of source and may be called from a thread is made so.
    """
    remembered = functools.lru_cache(maxsize=256)(maker)

    @functools.wraps(maker)
    def make(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Made:
        with _ONE_THREAD:
            return remembered(*args, **kwargs)  # type: ignore[arg-type]

    return make


def body_of(module: ModuleType) -> str:
    """The functions of a module below its ``# body:`` line, as text."""
    text = inspect.getsource(module)
    return text[text.index("\n", text.index("\n" + _BODY) + 1) :]


class _TypedLiterals(ast.NodeTransformer):
    """Every float literal becomes a name; ``names`` maps it to the value."""

    def __init__(self) -> None:
        self.names: dict[float, str] = {}

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, float):
            return node
        # named by value, so that texts rewritten apart can stand in one module
        digits = repr(node.value).replace(".", "p").replace("-", "m").replace("+", "")
        self.names[node.value] = name = f"literal_{digits}"
        return ast.copy_location(ast.Name(id=name, ctx=ast.Load()), node)


def with_typed_literals(text: str, real: str) -> str:
    """The same text with float literals read from globals of type ``real``.

    numba gives a bare literal the type float64 and would carry a float32 expression up to
    float64 with it. ``real`` is the name of a type that the text's header has in scope.
    """
    rewrite = _TypedLiterals()
    tree = ast.fix_missing_locations(rewrite.visit(ast.parse(text)))
    head = "\n".join(f"{name} = {real}({value!r})" for value, name in rewrite.names.items())
    return f"{head}\n\n\n{ast.unparse(tree)}\n"


def decorated(text: str, decorator: str | None = None) -> str:
    """The same functions, each under this decorator; annotations and docstrings dropped."""
    tree = ast.parse(text)
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        node.decorator_list = [ast.parse(decorator, mode="eval").body] if decorator else []
        node.returns = None
        for argument in node.args.args:
            argument.annotation = None
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.unparse(ast.fix_missing_locations(tree))

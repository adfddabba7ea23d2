"""The noise and the elementary functions in Triton's words.

The polynomials are those of ``box_muller`` and ``elementary``, copied from the same text as for
numba and torch. Philox is spelled anew in 32-bit words, since a GPU multiplies 32 bits by 32 to 64
in one instruction and has no 64-bit multiplier; its integers are the same.

Kernels are compiled without contraction of a b + c: where a formula's terms cancel, as inside an
exponent, one rounding less is another path. Fused are the products that the shared text writes as
``fma``, as in the numba engine. float32 division is the fast one, right to 2 ulp; the fast root is
not good enough: with it a normal may stray by more than 4 ulp.
"""

from __future__ import annotations

import ast
import functools
from types import ModuleType

from lvebm_theory.formula.generated import load

from .. import elementary
from ..source_text import body_of, decorated
from . import box_muller, philox

JIT = "triton.jit"

_HEADER = """import triton
import triton.language as tl

"""

_PRIMITIVES = """
@triton.jit
def where(condition, a, b):
    return tl.where(condition, a, b)


@triton.jit
def exact_sqrt(x):
    if x.dtype == tl.float32:
        return tl.sqrt_rn(x)
    else:
        return tl.sqrt(x)


@triton.jit
def sqrt(x):
    # -2 log u is 0 or above 1e-7: one Newton step, and none of the care for other numbers
    if x.dtype == tl.float32:
        r = tl.rsqrt(tl.maximum(x, 1e-30))
        y = x * r
        return tl.fma(tl.fma(-y, y, x), 0.5 * r, y)
    else:
        return tl.sqrt(x)


@triton.jit
def bits_64(x):
    return x.to(tl.int64, bitcast=True)


@triton.jit
def real_of_bits_64(i):
    return i.to(tl.float64, bitcast=True)


@triton.jit
def bits_32(x):
    return x.to(tl.int32, bitcast=True)


@triton.jit
def real_of_bits_32(i):
    return i.to(tl.float32, bitcast=True)


@triton.jit
def real_64(i):
    return i.to(tl.float64)


@triton.jit
def wide_64(i):
    return i.to(tl.float64)


@triton.jit
def real_32(i):
    return i.to(tl.float32)


@triton.jit
def low_32(i):
    return i.to(tl.int32)


@triton.jit
def turned_64(cosine, sine, quarter):
    swap = (quarter & 1) == 1
    c = tl.where(swap, sine, cosine)
    s = tl.where(swap, cosine, sine)
    return tl.where(((quarter + 1) & 2) == 2, -c, c), tl.where((quarter & 2) == 2, -s, s)


@triton.jit
def turned_32(cosine, sine, quarter):
    return turned_64(cosine, sine, quarter)


@triton.jit
def fma(a, b, c):
    return tl.fma(a, b, c)


@triton.jit
def literal(like, value):
    return tl.zeros_like(like) + value


@triton.jit
def signed(word):
    return word.to(tl.int32, bitcast=True)


@triton.jit
def wide(word):
    return word.to(tl.int64)


@triton.jit
def philox_round(c0, c1, c2, c3, k0, k1):
    h0 = tl.umulhi(c0, MULTIPLIER_0)
    h1 = tl.umulhi(c2, MULTIPLIER_1)
    return h1 ^ c1 ^ k0, c2 * MULTIPLIER_1, h0 ^ c3 ^ k1, c0 * MULTIPLIER_0


@triton.jit
def philox4x32(c0, c1, c2, c3, k0, k1):
"""


def _philox() -> str:
    lines = []
    for turn in range(10):
        if turn:
            lines += ["k0 = k0 + WEYL_0", "k1 = k1 + WEYL_1"]
        lines.append("c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)")
    return "\n".join(f"    {line}" for line in [*lines, "return c0, c1, c2, c3"]) + "\n"


class _SignedDifferences(ast.NodeTransformer):
    """(word & mask) - c may be negative: its word, unsigned here, has to become signed first."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        left = node.left
        masked = isinstance(left, ast.BinOp) and isinstance(left.op, ast.BitAnd)
        if isinstance(node.op, ast.Sub) and masked:
            node.left = ast.Call(func=ast.Name("signed", ast.Load()), args=[left], keywords=[])
        return node


class _WideWords(ast.NodeTransformer):
    """Words that are put together to 53 bits are made 64 bits wide."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if "53" not in node.name:
            signed: ast.AST = _SignedDifferences().visit(node)
            return signed
        names = [a.arg for a in node.args.args if a.arg.startswith("w")]
        for place, name in enumerate(names):
            widened = ast.Call(
                func=ast.Name("wide", ast.Load()), args=[ast.Name(name, ast.Load())], keywords=[]
            )
            start = 1 if ast.get_docstring(node) is not None else 0
            assign = ast.Assign(targets=[ast.Name(name, ast.Store())], value=widened)
            node.body.insert(start + place, assign)
        return node


class _TypedLiterals(ast.NodeTransformer):
    """Literals among the arguments of ``fma`` in the type of its first, not in 32 bits."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "fma":
            like = node.args[0]
            node.args = [
                ast.Call(func=ast.Name("literal", ast.Load()), args=[like, a], keywords=[])
                if _is_number(a)
                else a
                for a in node.args
            ]
        return node


def _is_number(node: ast.expr) -> bool:
    return isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, ast.Constant)


def _rewritten(text: str, *passes: ast.NodeTransformer) -> str:
    tree: ast.AST = ast.parse(text)
    for one in passes:
        tree = one.visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree))


@functools.cache
def arithmetic() -> ModuleType:
    """A module of ``philox4x32``, the normals and uniforms, and the elementary functions.

    Words are unsigned 32-bit tensors.
    """
    constants = "\n".join(
        f"{name} = tl.constexpr({getattr(philox, name)})"
        for name in ("MULTIPLIER_0", "MULTIPLIER_1", "WEYL_0", "WEYL_1")
    )
    shared = decorated(_rewritten(body_of(box_muller), _WideWords(), _TypedLiterals()), JIT)
    functions = decorated(_rewritten(body_of(elementary), _TypedLiterals()), JIT)
    return load(f"{_HEADER}{constants}\n\n{_PRIMITIVES}{_philox()}\n\n{shared}\n\n{functions}\n")


def imports(*names: str) -> str:
    """Head of a module that uses these functions, each either ``name`` or ``name as other``."""
    inside = "".join(f"    {name},\n" for name in names)
    return f"{_HEADER}from {arithmetic().__name__} import (\n{inside})\n"

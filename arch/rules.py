"""Static rules for mixers, on the syntax tree alone: early, clear messages. The sandbox and the dynamic checks hold.

They look for the required class and methods, imports and calls that nothing needs, torch being patched, literal
lengths and dtypes, and the usual ways of writing something quadratic in T. A pattern that they miss is measured by the
dynamic checks; a pattern that is fine must not be refused here, so each rule is narrow.

A library is reached by its dotted name alone (tasks/library_names.py): nothing hands it on under another name, so what
is read from it can be seen here. What a library's function might return is not known to these rules.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from tasks import library_names
from tasks.contract import Issue
from tasks.library_names import Allowed
from tasks.program_rules import root

#: The numbers of a tensor out of the sight of what measures cost and gradients.
UNSEEN = frozenset({"tolist", "numpy", "storage", "untyped_storage", "data_ptr", "map_", "apply_"})
#: The start of the numbers is the trainer's: a mixer that sets it has one start for all seeds, and may pick it.
SEEDS = frozenset({"manual_seed", "set_rng_state", "fork_rng", "default_generator", "initial_seed"})
ALLOWED = Allowed(
    libraries=frozenset({
        "__future__", "collections", "collections.abc", "dataclasses", "functools", "itertools", "math", "mixers",
        "torch", "torch.autograd", "torch.fft", "torch.linalg", "torch.nn", "torch.nn.functional", "torch.nn.init",
        "torch.special", "typing",
    }),
    noun="mixer",
    offered="mixers, torch and math",
    unwanted=UNSEEN | SEEDS,
    own=frozenset({"self", "ctx"}),  # `ctx` is that of an autograd function
)  # fmt: skip
QUADRATIC_CALLS = frozenset({"scaled_dot_product_attention", "multi_head_attention_forward", "MultiheadAttention",
                             "Transformer", "TransformerEncoder", "TransformerEncoderLayer", "cdist"})  # fmt: skip
SHAPED = frozenset({"view", "reshape", "expand", "unflatten", "zeros", "ones", "empty", "full", "arange", "randn",
                    "rand", "eye", "tril", "triu", "new_zeros", "new_ones", "new_empty"})  # fmt: skip
DTYPES = frozenset({"float", "float16", "float32", "float64", "bfloat16", "half", "double"})
CASTS = frozenset({"float", "half", "double", "bfloat16"})
SMALL = 8  # literal sizes up to here are widths of windows and the like
ARGUMENTS = {"__init__": 4, "forward": 2, "recurrent": 3}


def issues(code: str) -> list[Issue]:
    """Everything that breaks a rule, in order of lines."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [Issue("syntax", f"the program does not parse: {error}", getattr(error, "lineno", None))]
    found = [*_class(tree), *library_names.issues(tree, ALLOWED)]
    for node in ast.walk(tree):
        found += [*_dtypes(node), *_shapes(node), *_quadratic(node)]
    return sorted(found, key=lambda issue: issue.line or 0)


def _class(tree: ast.Module) -> Iterator[Issue]:
    for node in reversed(tree.body):
        if isinstance(node, ast.ClassDef) and node.name == "Mixer":
            yield from _methods(node)
            return
    yield Issue("contract", "expected a top-level class Mixer(nn.Module), found none")


def _methods(node: ast.ClassDef) -> Iterator[Issue]:
    methods = {entry.name: entry for entry in node.body if isinstance(entry, ast.FunctionDef)}
    for name, count in ARGUMENTS.items():
        method = methods.get(name)
        if method is None:
            yield Issue("contract", f"class Mixer has no method {name}", node.lineno)
        elif not method.args.vararg and len(method.args.args) < count:
            yield Issue("contract", f"Mixer.{name} takes {count - 1} arguments besides self", method.lineno)


def _dtypes(node: ast.AST) -> Iterator[Issue]:
    if isinstance(node, ast.Attribute) and root(node) == "torch" and node.attr in DTYPES:
        yield Issue("fixed-dtype", f"`torch.{node.attr}` fixes the dtype: use that of the input (x.dtype)", node.lineno)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CASTS
        and not node.args
    ):
        yield Issue("fixed-dtype", f"`.{node.func.attr}()` fixes the dtype: use that of the input", node.lineno)


def _shapes(node: ast.AST) -> Iterator[Issue]:
    """Literal sizes in calls that make or reshape tensors; in `__init__` parameters may have any size."""
    if not isinstance(node, ast.FunctionDef) or node.name == "__init__":
        return
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and _called(call) in SHAPED:
            sizes = [
                leaf.value for argument in call.args for leaf in ast.walk(argument) if isinstance(leaf, ast.Constant)
            ]
            large = [size for size in sizes if type(size) is int and size > SMALL]
            if large:
                message = f"`{ast.unparse(call)[:80]}` has the literal size {large[0]}: take sizes from x.shape"
                yield Issue("fixed-shape", message, call.lineno)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _quadratic(node: ast.AST) -> Iterator[Issue]:
    if isinstance(node, ast.Attribute) and node.attr in QUADRATIC_CALLS:
        yield Issue("quadratic", f"`{node.attr}` costs T^2: use chunks and a state of fixed size", node.lineno)
    elif isinstance(node, ast.Call) and _called(node) == "softmax" and _is_scores(node):
        yield Issue("quadratic", f"`{ast.unparse(node)[:80]}` is a softmax over T x T scores", node.lineno)
    elif isinstance(node, ast.Call) and _called(node) in ("tril", "triu", "ones") and _is_square_in_time(node):
        yield Issue("quadratic", f"`{ast.unparse(node)[:80]}` is a T x T mask", node.lineno)


def _is_scores(call: ast.Call) -> bool:
    """softmax(q @ k.transpose(...)), however it is written."""
    inside = [*call.args[:1], call.func]
    products = [leaf for part in inside for leaf in ast.walk(part) if isinstance(leaf, ast.BinOp)]
    return any(isinstance(leaf.op, ast.MatMult) and _is_transposed(leaf.right) for leaf in products)


def _is_transposed(node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in ("mT", "T")
    return isinstance(node, ast.Call) and _called(node) in ("transpose", "permute")


def _is_square_in_time(call: ast.Call) -> bool:
    """ones(T, T) with T read from x.shape[1] or named like a length, here or one level down."""
    sizes = [ast.unparse(argument) for argument in call.args]
    return len(sizes) >= 2 and any(size == other and _is_length(size) for size, other in pairwise(sizes))


def _is_length(text: str) -> bool:
    return text in ("T", "L", "length", "seq_len", "n_tokens", "time") or text.endswith((".shape[1]", ".size(1)"))

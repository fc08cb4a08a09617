"""Static rules for mixers, on the syntax tree alone: early, clear messages. The sandbox and the dynamic checks hold.

They look for the required class and methods, imports and calls that nothing needs, torch being patched, literal
lengths and dtypes, and the usual ways of writing something quadratic in T. A pattern that they miss is measured by the
dynamic checks; a pattern that is fine must not be refused here, so each rule is narrow.

A library is reached by its dotted name alone (arch/libraries.py): nothing hands it on under another name, so what is
read from it can be seen here. What a library's function might return is not known to these rules.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from arch import libraries
from tasks.contract import Issue
from tasks.program_rules import parts_read, root

#: Under any name, too: `read = open` would be as good as a call.
FORBIDDEN_CALLS = frozenset({
    "eval", "exec", "compile", "open", "breakpoint", "setattr", "delattr", "globals", "locals", "vars", "getattr",
})  # fmt: skip
FORBIDDEN_PARTS = frozenset({
    "distributed", "hub", "jit", "library", "load", "multiprocessing", "ops", "overrides",
    "save", "serialization", "utils", "set_default_dtype", "set_default_device", "backends",
    "from_file", "set_num_threads", "set_printoptions", "get_device_module", "set_default_tensor_type",
    "PyTorchFileReader", "PyTorchFileWriter", "import_ir_module", "import_ir_module_from_buffer",
})  # fmt: skip
#: The numbers of a tensor out of the sight of what measures cost and gradients.
UNSEEN = frozenset({"tolist", "numpy", "storage", "untyped_storage", "data_ptr", "map_", "apply_"})
#: The start of the numbers is the trainer's: a mixer that sets it has one start for all seeds, and may pick it.
SEEDS = frozenset({"manual_seed", "set_rng_state", "fork_rng", "default_generator", "initial_seed"})
#: Modules that an allowed module has imported, and names that reach an attribute by a string, unseen by these rules.
HIDDEN_WAYS = frozenset({
    "sys", "os", "io", "builtins", "importlib", "inspect", "modules", "types", "gc", "threading", "subprocess",
    "ctypes", "attrgetter", "methodcaller", "format", "format_map", "Formatter", "get_type_hints", "ForwardRef",
    "update_wrapper", "wraps", "make_dataclass", "getattr", "setattr", "delattr", "eval", "exec", "globals",
    "locals", "vars", "singledispatch", "singledispatchmethod", "linecache", "gi_frame", "cr_frame", "ag_frame",
    "f_back", "f_globals", "f_locals", "f_builtins", "tb_frame", "gi_code",
})  # fmt: skip
#: Of names with underscores, what a class needs; `self._name` is a mixer's own.
PRIVATE_ALLOWED = frozenset({"__init__", "__name__", "__call__", "__post_init__"})
OWN = frozenset({"self", "ctx"})  # whose attributes may be set; `ctx` is that of an autograd function
OWN_PARTS = frozenset({"modules"})  # of a module of torch, its parts; of `sys`, everything
SETTABLE = frozenset({"data", "requires_grad", "grad"})  # of any tensor
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
    modules = _module_names(tree)
    found = [*_class(tree), *libraries.issues(tree)]
    for node in ast.walk(tree):
        found += [*_names(node), *_disguises(node), *_patching(node, modules), *_parts(node), *_dtypes(node)]
        found += [*_shapes(node), *_quadratic(node)]
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


def _module_names(tree: ast.Module) -> set[str]:
    """Names that stand for modules or for what was imported from them."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return names


def _names(node: ast.AST) -> Iterator[Issue]:
    if isinstance(node, ast.Name) and (node.id in FORBIDDEN_CALLS or _is_dunder(node.id)) and node.id != "__name__":
        yield Issue("forbidden-call", f"`{node.id}` may not be used; a mixer does not need it", node.lineno)


def _disguises(node: ast.AST) -> Iterator[Issue]:
    """A library under the name of an object whose private attributes may be read."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            if (alias.asname or alias.name) in OWN:
                yield Issue("forbidden-import", f"`{alias.name}` may not be called `{alias.asname}`", node.lineno)


def _patching(node: ast.AST, modules: set[str]) -> Iterator[Issue]:
    """Whatever is set or deleted, in any kind of statement: of a library nothing, of other objects no attribute."""
    if not isinstance(node, ast.Attribute | ast.Subscript) or isinstance(node.ctx, ast.Load):
        return
    if root(node) in modules:
        yield Issue("patching", f"`{ast.unparse(node)}` belongs to a library and stays as it is", node.lineno)
    elif isinstance(node, ast.Attribute) and node.attr not in SETTABLE and not _is_own(node.value):
        yield Issue("patching", f"`{ast.unparse(node)}` is set: a mixer sets attributes of self only", node.lineno)


def _parts(node: ast.AST) -> Iterator[Issue]:
    owned = isinstance(node, ast.Attribute) and _is_own(node.value)
    for name in parts_read(node):
        private = name.startswith("_") and name not in PRIVATE_ALLOWED and (_is_dunder(name) or not owned)
        unwanted = (FORBIDDEN_PARTS | HIDDEN_WAYS | UNSEEN | SEEDS) - (OWN_PARTS if owned else set())
        if private or name in unwanted or name == "*":
            line = getattr(node, "lineno", None)
            yield Issue("forbidden-attribute", f"`{name}` may not be used in a mixer", line)


def _is_own(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in OWN


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


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

"""How a candidate may launch its kernels: by their own names, with options of Triton from a short list.

Triton takes as an option of the compiler whatever keyword it knows, also one that is a parameter's name: libraries that
are linked in, a file that stands in for the compiled kernel, attributes of the launch. Pure; looks at the tree alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from tasks.contract import Issue

#: What a launch may ask of the compiler, and the whole numbers that are allowed.
OPTIONS: Mapping[str, tuple[int, ...]] = {
    "num_warps": (1, 2, 4, 8, 16, 32),
    "num_stages": tuple(range(1, 9)),
    "maxnreg": tuple(range(16, 256)),
}
#: Every other keyword that Triton 3.9 takes for itself. A parameter of that name would be read as the option.
RESERVED = frozenset({
    "allowed_dot_input_precisions", "arch", "backend_name", "clc", "debug", "default_dot_input_precision",
    "deprecated_fp8_dot_operand_dtypes", "enable_fp_fusion", "enable_reflect_ftz", "extern_libs",
    "fpsan_homomorphic_casts", "grid", "instrumentation_mode", "ir_override", "launch_cooperative_grid", "launch_pdl",
    "max_num_imprecise_acc_default", "min_shared_mem", "num_ctas", "ptx_options", "ptx_version", "sanitize_overflow",
    "sched4reg", "supported_fp8_dtypes", "warmup", "warp_size",
})  # fmt: skip


def issues(tree: ast.Module, kernels: Mapping[str, ast.FunctionDef]) -> Iterator[Issue]:
    """What is wrong with launches. `kernels` are those of the top level, by name."""
    for kernel in kernels.values():
        yield from _parameters(kernel)
    launched = set[ast.AST]()
    for node in _outside(tree, kernels):
        if isinstance(node, ast.Call) and (name := _launched(node, kernels)) is not None:
            launched.add(name)
            yield from _keywords(node, kernels[name.id])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript):
            yield Issue("launch", f"`{ast.unparse(node.func)[:60]}` is no launch of a kernel of yours", node.lineno)
        elif isinstance(node, ast.Name) and node.id in kernels and node not in launched:
            yield Issue("launch", f"a kernel is launched as `{node.id}[grid](...)` and not handed around", node.lineno)
        elif isinstance(node, ast.arguments) and node.kwarg is not None:
            yield Issue("launch", f"`**{node.kwarg.arg}` is a dictionary: name the arguments", node.kwarg.lineno)
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.BitOr):
            yield Issue("launch", "`|=` changes a dictionary in place; write `x = x | y`", node.lineno)


def _outside(tree: ast.Module, kernels: Mapping[str, ast.FunctionDef]) -> Iterator[ast.AST]:
    """Every node that runs on the host, parents first."""
    left: list[ast.AST] = list(tree.body)
    while left:
        node = left.pop()
        if not (isinstance(node, ast.FunctionDef) and node in kernels.values()):
            yield node
            left += ast.iter_child_nodes(node)


def _launched(call: ast.Call, kernels: Mapping[str, ast.FunctionDef]) -> ast.Name | None:
    """The kernel's name in `kernel[grid](...)`."""
    if isinstance(call.func, ast.Subscript) and isinstance(call.func.value, ast.Name):
        return call.func.value if call.func.value.id in kernels else None
    return None


def _parameters(kernel: ast.FunctionDef) -> Iterator[Issue]:
    arguments = kernel.args
    if arguments.kwarg is not None or arguments.vararg is not None:
        yield Issue("kernel", "a kernel's parameters are written out", kernel.lineno)
    for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if each.arg in RESERVED:
            yield Issue("launch", f"`{each.arg}` is an option of Triton and no name for a parameter", each.lineno)


def _keywords(call: ast.Call, kernel: ast.FunctionDef) -> Iterator[Issue]:
    parameters = {each.arg for each in (*kernel.args.args, *kernel.args.kwonlyargs)}
    for keyword in call.keywords:
        if keyword.arg is None:
            continue  # rules.py refuses what is unpacked
        if keyword.arg in OPTIONS:
            yield from _value(keyword.arg, keyword.value)
        elif keyword.arg not in parameters:
            allowed = f"its parameters, {', '.join(OPTIONS)}"
            yield Issue(
                "launch", f"`{kernel.name}` is launched with `{keyword.arg}`; allowed are {allowed}", call.lineno
            )


def _value(option: str, value: ast.expr) -> Iterator[Issue]:
    """Of an option that is written out; one that is computed is looked at when the kernel is compiled."""
    if isinstance(value, ast.Constant) and (type(value.value) is not int or value.value not in OPTIONS[option]):
        yield Issue("launch", f"{option}={value.value!r}: expected {expected(option)}", value.lineno)


def expected(option: str) -> str:
    """The numbers that an option may have, in words.

    >>> expected("num_stages")
    'a whole number: 1, 2, 3, 4, 5, 6, 7, 8'
    >>> expected("maxnreg")
    'a whole number from 16 to 255'
    """
    numbers = OPTIONS[option]
    if len(numbers) > 8:
        return f"a whole number from {numbers[0]} to {numbers[-1]}"
    return f"a whole number: {', '.join(map(str, numbers))}"

"""The language of candidates: what belongs to it, and that nothing leads out of it."""

from __future__ import annotations

import importlib.util

import pytest

from flows import registry
from problems.triton_kernel import catalogue, launch_rules, rules
from problems.triton_kernel.domain import TritonKernel

ARGUMENTS = catalogue.arguments(catalogue.operation("softmax"))
KERNEL = "@triton.jit\ndef kernel(x_ptr, N, BLOCK: tl.constexpr):\n    tl.store(x_ptr, {})\n\n\n"
HEAD = "import math\nimport torch\nimport triton\nimport triton.language as tl\n\n"


def program(body: str = "pass", top: str = "", value: str = "tl.load(x_ptr)", head: str = HEAD) -> str:
    return f"{head}{top}\n{KERNEL.format(value)}def launch(x, out):\n    {body}\n"


def found(code: str) -> list[str]:
    return [issue.rule for issue in rules.issues(code, ARGUMENTS)]


@pytest.mark.parametrize("name", sorted(catalogue.OPERATIONS))
def test_seeds_keep_the_rules(name: str) -> None:
    assert rules.issues(catalogue.seed(name), catalogue.arguments(catalogue.operation(name))) == []


@pytest.mark.parametrize(
    "code",
    [
        program(),
        program("kernel[(x.shape[0],)](x, x.stride(0), BLOCK=triton.next_power_of_2(x.shape[1]), num_warps=4)"),
        program("kernel[(1,)](x, N=3, BLOCK=64, num_warps=min(8, x.shape[0]), num_stages=2, maxnreg=128)"),
        program("kernel[lambda meta: (triton.cdiv(x.numel(), meta['BLOCK']),)](x, 3, BLOCK=64)"),
        program("M, N = x.shape\n    y = torch.empty((M,), dtype=torch.float32, device=x.device)"),
        program("if x.shape[1] > math.isqrt(99):\n        raise ValueError('too wide')"),
        program(top="WIDTH: tl.constexpr = tl.constexpr(64)\nSIZES = (64, 2 * 64)\n"),
        program("scratch = x.new_empty((3,), dtype=torch.float32, device=x.device)"),
        program('"""Half of it: 50%."""'),
        program("kernel[(1,)](x, 3 % x.shape[0], BLOCK=tl.constexpr(64))"),
        program(value="tl.sum(tl.load(x_ptr + tl.arange(0, BLOCK)).to(tl.float32), 0)"),
        program(value="tl.where(N > 0, tl.math.rsqrt(N + 1.0), float('-inf'))"),
    ],
)
def test_ordinary_kernels_are_in_the_language(code: str) -> None:
    assert rules.issues(code, ARGUMENTS) == []


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import os\n", "signature"),
        (program(head=HEAD + "import os\n"), "forbidden-import"),
        (program(head=HEAD + "from torch.nn import functional as F\n"), "forbidden-import"),
        (program(head=HEAD.replace("import math", "import numpy as math")), "forbidden-import"),
        (program("out.copy_(torch.softmax(x, 1))"), "torch-operator"),
        (program("x.softmax(1)"), "attribute"),
        (program("out[0] = 1.0"), "assignment"),
        (program("tl.load = tl.store"), "assignment"),
        (program("kernel.fn.__globals__"), "attribute"),
        (program("(lambda: 0).__globals__['torch']"), "attribute"),
        (program("getattr(x, 'sum')()"), "name"),
        (program("eval('1')"), "name"),
        (program("np.load('x')"), "name"),
        (program("global KEPT"), "statement"),
        (program("try:\n        pass\n    except ValueError:\n        pass"), "statement"),
        (program("with x:\n        pass"), "statement"),
        (program("class A:\n        pass"), "statement"),
        (program("[y for y in (1, 2)]"), "expression"),
        (program("f'{x}'"), "expression"),
        (program("{}"), "expression"),
        (program("kernel[(1,)]([], 1, BLOCK=1)"), "expression"),
        (program("kernel[(1,)](zip(x), 1, BLOCK=1)"), "name"),
        (program("(y := x)"), "expression"),
        (program("kernel[(1,)](**x)"), "expression"),
        (program("tl = x"), "name"),
        (program("x.data_ptr()"), "attribute"),
        (program("torch.cuda.Stream()"), "torch-operator"),
        (program("torch.zeros((3,))"), "torch-operator"),
        (program("print(x)"), "name"),
        (program(top="KEPT = []\n"), "top-level"),
        (program(top="KEPT = list((1,))\n"), "top-level"),
        (program(top="KEPT = dict(a=1)\n"), "top-level"),
        (program(top="if True:\n    np = 1\n"), "top-level"),
        (program(top="def helper(kept=[]):\n    return kept\n"), "default"),
        (program(top="@triton.autotune([], [])\ndef helper():\n    return 1\n"), "decorator"),
        (program(top="@triton.jit(launch_metadata=launch)\ndef helper():\n    return 1\n"), "decorator"),
        (program(value="torch.ones(1)"), "kernel"),
        (program(value="tl.inline_asm_elementwise('', '', [], tl.float32, True, 1)"), "attribute"),
        (program(value="x_ptr.handle.data"), "attribute"),
        (program(value="tl.core.builtin"), "attribute"),
        (program(value="tl.device_print('x')"), "attribute"),
        (program("kernel[(1,)](x, 1, BLOCK=1, extern_libs=(('a', 'b'),))"), "launch"),
        (program("kernel[(1,)](x, 1, BLOCK=1, ir_override='own.ptx')"), "launch"),
        (program("kernel[(1,)](x, 1, BLOCK=1, warmup=True)"), "launch"),
        (program("kernel[(1,)](x, 1, BLOCK=1, num_ctas=2)"), "launch"),
        (program("kernel[(1,)](x, 1, BLOCK=1, unknown=2)"), "launch"),
        (program("kernel[(1,)](x, 1, BLOCK=1, num_warps=3)"), "launch"),
        (program("kernel[(1,)](x, 1, BLOCK=1, num_warps=4.0)"), "launch"),
        (program("kernel[(1,)](x, 1, BLOCK=1, num_warps=True)"), "launch"),
        (program("kernel[(1,)](x, 1, BLOCK=1, num_stages='3')"), "launch"),
        (program("run = kernel[(1,)]\n    run(x, 1, BLOCK=1, extern_libs=())"), "launch"),
        (program("other = kernel\n    other[(1,)](x, 1, BLOCK=1, extern_libs=())"), "launch"),
        (program("(kernel if x.ndim else kernel)[(1,)](x, 1, BLOCK=1)"), "launch"),
        (program("partial(kernel, ir_override='own.ptx')", head=HEAD + "from functools import partial\n"), "launch"),
        (program("kernel[(1,)](x, kernel, BLOCK=1)"), "launch"),
        (program().replace("N, BLOCK", "N, extern_libs, BLOCK"), "launch"),
        (program("tl.sum[(1,)](x, 0, ir_override='own.ptx')"), "launch"),
        (program("run = (launch,)\n    run[0](x, out)"), "launch"),
        (program("run = tl.sum[(1,)]"), "attribute"),
        (program("if '%s' % tl.sum == '':\n        pass"), "expression"),
        (program("if b'%s' % x.dtype == b'':\n        pass"), "expression"),
        (program("if x.device == torch.empty((1,)).device:\n        pass"), "attribute"),
        (program("device = x.device"), "attribute"),
        (program("tl.cast(x, device=x.device)"), "attribute"),
        (program("(lambda **kept: kept)(a=1)"), "launch"),
        (program(top="def helper(**kept):\n    return kept\n"), "launch"),
        (program("def grid(meta):\n        meta |= (('BLOCK', 2),)\n        return (1,)"), "launch"),
        (program().replace("N, BLOCK", "*N, BLOCK"), "kernel"),
        (program("@triton.jit\n    def inner(x_ptr):\n        pass"), "decorator"),
        (program(top=f"TABLE = ({'1.5, ' * 3000})\n"), "size"),
        (program(top="TABLE = 1234567890123456789012\n"), "size"),
        (program().replace("@triton.jit", ""), "no-triton"),
        (program().replace("launch(x, out)", "launch(x, out, extra)"), "signature"),
        (program().replace("launch(x, out)", "launch(out, x)"), "signature"),
        ("def launch(x, out:\n", "syntax"),
    ],
)
def test_what_is_not_in_the_language(code: str, rule: str) -> None:
    assert rule in found(code)


def test_a_kernels_name_is_not_given_away() -> None:
    """Under another name it could be launched with any option."""
    code = program("other[(1,)](x, 1, BLOCK=1, ir_override='own.ptx')")
    taken = code.replace("def launch", "other = kernel\n\n\ndef kernel():\n    return 1\n\n\ndef launch")
    assert found(taken) == ["name", "launch"]


def test_every_option_of_this_triton_is_known() -> None:
    """A new one has to be looked at: does it belong to the options that a launch may use, or to the reserved ones?"""
    compiler = pytest.importorskip("triton.backends.nvidia.compiler")
    assert set(compiler.CUDAOptions.__dataclass_fields__) - set(launch_rules.OPTIONS) - launch_rules.RESERVED == set()


def test_a_local_name_does_not_open_a_global_one() -> None:
    """Triton's interpreter puts modules of its own among a candidate's globals."""
    code = program("return np", top="def helper(np):\n    return np\n")
    assert found(code) == ["name"]


@pytest.mark.parametrize(
    "code",
    [
        program("run = 0\n    from builtins import exec as run\n    run('1')"),
        program("def inner():\n        exec = 0\n        return exec\n\n    exec('1')"),
        program("def inner():\n        def exec():\n            return 0\n\n    exec('1')"),
        program("lambda exec, y=exec('1'): 0"),
        program(top="run = exec\nexec = 0\n"),
        program(top="kept = __builtins__\n__builtins__ = 0\n"),
        program(top="run = exec\n\n\ndef exec():\n    return 0\n"),
        program(top="def helper(exec, y: exec('1')):\n    return y\n"),
        program(top="def helper(exec) -> exec('1'):\n    return 1\n"),
        f"# coding: raw_unicode_escape\n# \\u000aimport os\n{program()}",
        f"# coding: nonsense\n{program()}",
    ],
)
def test_names_of_python_stay_out_of_reach(code: str) -> None:
    """Ways in which a name was known here and meant something else where it ran."""
    assert found(code) != []


def test_the_interpreter_finds_no_second_kernel_in_a_text() -> None:
    """It takes a kernel's source from the last line on that begins with `def `."""
    text = '"""\ndef kernel(x_ptr, N, BLOCK):\n    import os\n    """'
    hidden = program().replace("    tl.store", f"    {text}\n    tl.store").replace("tl.load(x_ptr))", 'N)  # """')
    assert found(hidden) == ["kernel"]
    assert "kernel" in found(program().replace("def kernel(", "def\\\n  kernel("))


HIDDEN = '''
def helper(x_ptr, N):
    """A text.
def helper(x_ptr, N):
    import os
    """  # """
    return
'''


@pytest.mark.parametrize(
    "body",
    [
        "triton.jit(helper)[(1,)](x, 1)",
        "partial(triton.jit(helper)[(1,)], x, 1)()",
        "made = triton.jit(helper)",
        "made = partial(triton.jit, helper)()",
    ],
)
def test_a_function_is_not_made_a_kernel_while_a_program_runs(body: str) -> None:
    """Nobody would have looked for a second source in it, nor at its launches."""
    code = program(body, top=HIDDEN, head=HEAD + "from functools import partial\n")
    assert "attribute" in found(code)


def test_a_local_name_may_be_one_of_pythons() -> None:
    assert found(program("def inner(input):\n        return input\n\n    id = inner(3)\n    return id")) == []


def test_issues_come_in_order_of_lines() -> None:
    issues = rules.issues(program("x.sum()\n    print(x)\n    x.mean()"), ARGUMENTS)
    assert [issue.line for issue in issues] == sorted(issue.line or 0 for issue in issues)
    assert len(issues) == 3


def test_without_triton_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(registry.UnknownProblem) as raised:
        registry.load("triton_kernel", {})
    said = str(raised.value)
    assert said == "problem triton_kernel: torch and triton missing: install the extra `triton-kernel` (Linux only)"


def test_the_domain_asks_for_its_operations_arguments() -> None:
    softmax = TritonKernel(TritonKernel.Options(operation="softmax"))
    assert softmax.check(catalogue.seed("softmax")) == []
    assert [issue.rule for issue in softmax.check(catalogue.seed("add_rms_norm"))] == ["signature"]

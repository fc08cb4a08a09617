"""Plans of launches: what is recorded, that it is what a compiled kernel takes, and that nothing false is let in."""

from __future__ import annotations

import base64
import copy
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from problems.triton_kernel import catalogue, exchange
from problems.triton_kernel.domain import TritonKernel
from problems.triton_kernel.exchange import INSIDE
from problems.triton_kernel.gpu import cases, plans
from problems.triton_kernel.operation import Case
from tasks.contract import Failure, FailureKind, Finished, Job, Limits, Sandbox
from tasks.sandbox import open_sandbox

CODE = b"\x7fELF and more"
SOFTMAX = catalogue.operation("softmax")
CASE = Case("one", {"M": 4, "N": 48}, "float16", "drawn")
ANSWER: dict[str, Any] = {
    "kernels": [
        {"name": "held", "shared_bytes": 64, "warps": 4, "types": ["*fp16", "*fp32", "i32", "fp32", "i1", "i64"],
         "constants": {"BLOCK": 64}},
    ],
    "plans": [
        {
            "launches": [
                {"kernel": 0, "grid": [4, 1, 1], "arguments": [
                    ["tensor", "x", 96], ["scratch", 0, 0], ["number", 48], ["number", 1e-6], ["number", True],
                    ["number", 2**40],
                ]},
            ],
            "scratch": [16],
        }
    ],
}  # fmt: skip
LIMITS = Limits(60.0, 240.0, 2048, processes=32, files_mb=plans.FILES_MB)


def read(answer: Any, files: dict[str, bytes] | None = None) -> plans.Plan:
    return plans.read(Finished(answer, files={"kernel-0": CODE} if files is None else files), SOFTMAX, [CASE])


def test_a_plan_is_taken_with_its_kernels() -> None:
    assert read(ANSWER) == {**ANSWER, "binaries": [base64.b64encode(CODE).decode()]}


Change = Callable[[dict[str, Any]], Any]


def kernel(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["kernels"][0]
    return found


def launch(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["plans"][0]["launches"][0]
    return found


def argument(number: int, value: Any) -> Change:
    return lambda answer: launch(answer)["arguments"].__setitem__(number, value)


@pytest.mark.parametrize(
    "how",
    [
        lambda answer: answer.pop("plans"),
        lambda answer: answer.update(plans=[]),
        lambda answer: answer.update(kernels=[]),
        lambda answer: answer.update(more=1),
        lambda answer: kernel(answer).update(name="no name"),
        lambda answer: kernel(answer).update(name=3),
        lambda answer: kernel(answer).update(shared_bytes=10**6),
        lambda answer: kernel(answer).update(warps=0),
        lambda answer: kernel(answer).update(warps=64),
        lambda answer: kernel(answer).update(warps=4.0),
        lambda answer: kernel(answer)["types"].__setitem__(0, "*void"),
        lambda answer: kernel(answer)["types"].pop(),
        lambda answer: kernel(answer).pop("constants"),
        lambda answer: answer["plans"][0].update(launches=[]),
        lambda answer: answer["plans"][0].update(launches=[launch(answer)] * 300),
        lambda answer: answer["plans"][0].update(scratch=[2**33]),
        lambda answer: answer["plans"][0].update(scratch=[2**31] * 3),
        lambda answer: answer["plans"][0].update(scratch=[]),
        lambda answer: launch(answer).update(kernel=1),
        lambda answer: launch(answer).update(kernel=-1),
        lambda answer: launch(answer).update(grid=[4, 1]),
        lambda answer: launch(answer).update(grid=[0, 1, 1]),
        lambda answer: launch(answer).update(grid=[4, 70_000, 1]),
        lambda answer: launch(answer).update(grid=[4.0, 1, 1]),
        argument(0, ["tensor", "y", 0]),
        argument(0, ["tensor", "x", -2]),
        argument(0, ["tensor", "x", 400]),
        argument(0, ["address", 1 << 40, 0]),
        argument(0, ["number", 1 << 40]),
        argument(1, ["scratch", 1, 0]),
        argument(1, ["scratch", 0, 17]),
        argument(2, ["tensor", "x", 0]),
        argument(2, []),
        argument(2, ["number"]),
        argument(2, ["number", 48, 0]),
        argument(0, ["tensor", "x"]),
        argument(2, ["number", 2**31]),
        argument(2, ["number", "48"]),
        argument(2, ["number", True]),
        argument(3, ["number", float("nan")]),
        argument(3, ["number", float("inf")]),
        argument(4, ["number", 1]),
        argument(5, ["number", 2**63]),
    ],
)
def test_what_is_no_plan_is_refused(how: Change) -> None:
    answer = copy.deepcopy(ANSWER)
    how(answer)
    with pytest.raises(plans.Unusable):
        read(answer)


@pytest.mark.parametrize("files", [{}, {"kernel-1": CODE}, {"kernel-0": CODE + bytes(2**20)}])
def test_kernels_without_code_are_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(plans.Unusable, match="compiled kernels are not there"):
        read(ANSWER, files)


@pytest.mark.parametrize("content", [b"", b".version 8.0", b"\x50\xed\x55\xba"])
def test_what_the_driver_would_compile_is_refused(content: bytes) -> None:
    with pytest.raises(plans.Unusable, match="no machine code"):
        read(ANSWER, {"kernel-0": content})


def test_reasons_are_handed_on() -> None:
    with pytest.raises(plans.Unusable, match="held does not fit"):
        read({"uncompiled": "held does not fit"}, {})
    with pytest.raises(plans.Unusable, match="no Triton kernel"):
        read({"kernels": []}, {})


# ---- recorded and compiled, without a GPU


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("scratch"), unsafe=True, preload=TritonKernel.preload) as sandbox:
        yield sandbox


def recorded(code: str, sandbox: Sandbox) -> plans.Plan | Failure:
    found = plans.recorded(code, SOFTMAX, cases.timed(SOFTMAX)[1:2], 90, LIMITS, sandbox)
    return found if isinstance(found, Failure) else found[0]


CONVERTED = {".u64": "*", ".u32": "i32", ".f32": "fp32", ".u8": "i1"}
#: Prints the parameters of what was compiled, by the side of what the plan says of them.
SPY = """
import compiling, re, triton

PARAMETERS = []
compile_ = triton.compile

def spied(*arguments, **options):
    made = compile_(*arguments, **options)
    entry = re.search(r"[.]entry.*?[)]\\n", made.asm["ptx"], re.S).group(0)
    PARAMETERS.append(re.findall(r"[.]param ([.]\\w+)", entry))
    return made

triton.compile = spied

def record(candidate_path, request):
    return {"answer": compiling.record(candidate_path, request)[0], "parameters": PARAMETERS}
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(catalogue.OPERATIONS))
def test_a_kernel_takes_what_its_plan_gives_it_and_two_pointers(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    """What the timer hands to the driver without Triton: number, order and size of a kernel's parameters."""
    adapter = tmp_path / "inside"
    shutil.copytree(INSIDE, adapter, ignore=shutil.ignore_patterns("__pycache__"))
    (adapter / "spied.py").write_text(SPY)
    operation = catalogue.operation(name)
    request = exchange.compilation(operation, cases.timed(operation), 90)
    job = Job(catalogue.seed(name), adapter, "spied:record", request, replace(LIMITS, files_mb=0), profile="cpu-train")
    done = sandbox.run(job)
    assert isinstance(done, Finished), done
    answer: Any = done.answer
    kernels = answer["answer"]["kernels"]
    assert len(kernels) == len(answer["parameters"]) == 9  # three kernels, three types
    for kernel, parameters in zip(kernels, answer["parameters"], strict=True):
        found = ["*" if kind[0] == "*" else kind for kind in kernel["types"]]
        assert [CONVERTED[each] for each in parameters] == [*found, "*", "*"]


@pytest.mark.slow
def test_a_seed_is_recorded_as_it_would_be_launched(sandbox: Sandbox) -> None:
    found: Any = recorded(catalogue.seed("softmax"), sandbox)
    assert [each["name"] for each in found["kernels"]] == ["max_kernel", "sum_kernel", "divide_kernel"]
    assert [each["grid"] for each in found["plans"][0]["launches"]] == [[16384, 1, 1], [16384, 1, 1], [16384, 4, 1]]
    assert found["plans"][0]["scratch"] == [4 * 16384, 4 * 16384]
    assert found["plans"][0]["launches"][1]["arguments"] == [
        ["tensor", "x", 0], ["scratch", 0, 0], ["scratch", 1, 0], ["number", 1000], ["number", 1000],
    ]  # fmt: skip
    assert re.match(rb"\x7fELF", base64.b64decode(found["binaries"][0]))


@pytest.mark.slow
def test_an_annotated_bool_is_one(sandbox: Sandbox) -> None:
    code = catalogue.seed("softmax").replace(
        "max_kernel(x_ptr, top_ptr, N", "max_kernel(x_ptr, top_ptr, flag: tl.int1, N"
    )
    found: Any = recorded(code.replace("max_kernel[(M,)](x, top, N", "max_kernel[(M,)](x, top, M > 1, N"), sandbox)
    assert not isinstance(found, Failure), found
    assert found["kernels"][0]["types"] == ["*fp16", "*fp32", "i1", "i32", "i32"]
    assert found["plans"][0]["launches"][0]["arguments"][2] == ["number", True]


FIRST = "    M, N = x.shape\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (FIRST, f"{FIRST}    return\n", "launch ran no Triton kernel"),
        ("device=x.device", "device=None", "lies on another device than the tensors of the call"),
        ("BLOCK=BLOCK)", "BLOCK=BLOCK, num_warps=N // 300)", "num_warps=3 is none of the options"),
        ("BLOCK=BLOCK)", "BLOCK=BLOCK, ir_override='x')", "ir_override='x' is none of the options"),
        ("BLOCK=BLOCK)", "BLOCK=(lambda **kept: kept)())", "a kernel was given a dict"),
        ("max_kernel[(M,)]", "max_kernel[(M, 0)]", "a grid is up to three whole numbers above zero"),
    ],
)
def test_what_cannot_be_timed_is_named(old: str, new: str, words: str, sandbox: Sandbox) -> None:
    code = catalogue.seed("softmax")
    assert old in code
    found = recorded(code.replace(old, new), sandbox)
    assert isinstance(found, Failure), found
    assert words in found.reason
    assert found.kind in (FailureKind.INVALID, FailureKind.CRASH)


@pytest.mark.slow
def test_a_launch_cannot_depend_on_values(sandbox: Sandbox) -> None:
    found = recorded(catalogue.seed("softmax").replace(FIRST, f"{FIRST}    if x[0, 0] > 1:\n        return\n"), sandbox)
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.CRASH

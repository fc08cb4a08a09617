"""Programs that a model wrote, run in the sandbox against a data set's tests: right, wrong, hanging, hostile ones."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rl.language import programs
from rl.language.evaluate import OFFLINE
from rl.language.inside import plain
from rl.language.programs import BadTests, Problem, Ran
from tasks.contract import Failure, FailureKind, Finished, Job, MachineFault, Sandbox
from tasks.sandbox import open_sandbox
from tests.rl.recording import Recording

ADD = Problem(
    prelude="import math",
    tests="def check(add):\n    assert add(2, 3) == 5\n    assert add([1], [2]) == [1, 2]\n"
    "    assert math.isnan(add(1.0, math.nan))\n",
    names=("add",),
    has_check=True,
)  # fmt: skip
RIGHT = "def add(a, b):\n    return a + b\n"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("scratch"), unsafe=True, preload=()) as opened:
        yield opened


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (OFFLINE / f"{name}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("row", rows("humaneval"), ids=lambda row: row["entry_point"])
def test_reference_solutions_of_functions_to_complete_pass(row: dict[str, Any], sandbox: Sandbox) -> None:
    right = programs.written(row["canonical_solution"] + "```\nDone.", row["prompt"])
    assert programs.judged(right, programs.humaneval(row), sandbox) == Ran(True)
    assert not programs.judged(
        programs.written("    return None\n", row["prompt"]), programs.humaneval(row), sandbox
    ).passed


@pytest.mark.parametrize("row", rows("mbpp"), ids=lambda row: row["prompt"])
def test_reference_solutions_of_functions_to_write_pass(row: dict[str, Any], sandbox: Sandbox) -> None:
    problem = programs.mbpp(row)
    assert len(problem.names) == 1
    assert programs.judged(programs.written(f"So:\n```python\n{row['code']}```"), problem, sandbox) == Ran(True)
    wrong = f"def {problem.names[0]}(*any):\n    return None\n"
    assert not programs.judged(wrong, problem, sandbox).passed


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("def add(a, b):\n    return a - b\n", "AssertionError"), ("def sub(a, b):\n    return 5\n", "AttributeError"),
        ("def add(a, b)\n    return a + b\n", "crash"), ("", "AttributeError"), ("raise ValueError('no')", "crash"),
        ("def add(a, b):\n    raise ValueError('no')\n", "ValueError"), (RIGHT + "import sys; sys.exit(0)\n", "crash"),
        ("def add(a, b):\n    return lambda: 5\n", "RuntimeError"), ("\0", "no program"),
        ("\ud800", "no program"),
        ("def add(a, b):\n    return [" + "[" * 200 + "]" * 200 + "]\n", "crash"), ("#" * 60_000, "no program"),
    ],
)  # fmt: skip
def test_what_is_wrong_does_not_pass(program: str, why: str, sandbox: Sandbox) -> None:
    ran = programs.judged(program, ADD, sandbox)
    assert not ran.passed
    assert why in ran.why


@pytest.mark.parametrize(
    ("program", "tests"),
    [
        ("import numpy as np\ndef f(): return np.int64(3)\n", "assert f() == 3"),
        ("import numpy as np\ndef f(): return [np.bool_(True), np.float32(0.5)]\n", "assert f() == [True, 0.5]"),
        ("def f(n):\n    yield from range(n)\n", "assert list(f(2)) == [0, 1]"),
        ("def f(n): return range(n)\n", "assert f(3)[1] == 1 and len(f(2)) == 2 and f(2) != [0, 1]"),
        ("def f(table): return table.keys()\n", "assert set(f({1: 2})) == {1}"),
        ("def f(values): return sum(values)\n", "assert f(range(4)) == 6 and f(x for x in (1, 2)) == 3"),
        ("class Odd(ValueError): pass\ndef f(): raise Odd\n",
         "try:\n    f()\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError"),
        ("def f(x): return x\n", "import math\nfor n in range(50):\n    assert math.fabs(f(n)) == n"),
    ],
)  # fmt: skip
def test_right_programs_pass_whatever_they_answer_with(program: str, tests: str, sandbox: Sandbox) -> None:
    assert programs.judged(program, Problem("", tests, ("f",), has_check=False), sandbox) == Ran(True)


def test_an_answer_that_is_no_data_is_no_exception_that_tests_wait_for(sandbox: Sandbox) -> None:
    tests = "try:\n    f()\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError"
    ran = programs.judged("def f(): return object()\n", Problem("", tests, ("f",), has_check=False), sandbox)
    assert not ran.passed


LIAR = "class Yes(int):\n    __eq__ = __ne__ = lambda self, other: True\n    __hash__ = None\n"
HOSTILE = {
    "equals everything": LIAR + "def add(a, b):\n    return Yes(7)\n",
    "ends as if all were well": "import os\ndef add(a, b):\n    os._exit(0)\n",
    "says that it passed": "def add(a, b):\n    print('passed'); return {'why': '', 'asked': []}\n",
    "patches the tests' tools": "import builtins, math\nbuiltins.AssertionError = ValueError\nmath.isnan = bool\n"
    "def add(a, b):\n    return 0\n",
    "patches what encodes its answers": "import sys\nsys.modules['plain'].encoded = lambda value: {'x': 1}\n"
    "def add(a, b):\n    return 0\n",
    "answers for its caller": "import sys\ndef add(a, b):\n    frame = sys._getframe()\n    while frame:\n"
    "        frame.f_globals['answers'] = lambda *a: {'answers': [], 'why': ''}\n"
    "        frame = frame.f_back\n    return 0\n",
    "looks for the tests": "import gc\ndef add(a, b):\n"
    "    texts = [o for o in gc.get_objects() if isinstance(o, (dict, list))]\n"
    "    found = [t for t in texts if 'assert add' in repr(t)[:10000]]\n    return 5 if found else 0\n",
    "raises what the tests catch": "def add(a, b):\n    raise AssertionError\n",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_programs_do_not_pass(name: str, sandbox: Sandbox) -> None:
    assert not programs.judged(HOSTILE[name], ADD, sandbox).passed
    assert programs.judged(RIGHT, ADD, sandbox) == Ran(True)  # and the next one is judged as if nothing had been


def test_what_hangs_or_grows_fails_in_bounded_time(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "LIMITS", replace(programs.LIMITS, cpu_s=1.0, wall_s=3.0, memory_mb=256))
    cases = {
        "while True: pass": FailureKind.CPU_TIME, "import time; time.sleep(99)": FailureKind.IDLE,
        "x = [0] * 10**9": FailureKind.MEMORY, "import os; os.fork()": FailureKind.PROCESSES,
    }  # fmt: skip
    for statement, kind in cases.items():
        ran = programs.judged(f"def add(a, b):\n    {statement}\n    return a + b\n", ADD, sandbox)
        assert not ran.passed, statement
        assert str(kind) in ran.why or kind is FailureKind.MEMORY, (statement, ran)  # or a MemoryError of its own


def test_files_and_network_are_out_of_reach(sandbox: Sandbox, tmp_path: Path) -> None:
    if sandbox.tier == "unsafe":
        pytest.skip("nothing confines it")
    (tmp_path / "secret").write_text("5")
    read = f"def add(a, b):\n    return int(open({str(tmp_path / 'secret')!r}).read())\n"
    assert not programs.judged(read, ADD, sandbox).passed
    connect = "import socket\ndef add(a, b):\n    socket.create_server(('127.0.0.1', 0))\n    return a + b\n"
    assert not programs.judged(connect, ADD, sandbox).passed


def test_a_programs_process_is_given_calls_and_nothing_that_is_expected(sandbox: Sandbox) -> None:
    recording = Recording(sandbox)
    assert programs.judged(RIGHT, ADD, recording).passed
    tests, program, again = recording.jobs
    assert (tests.entry, program.entry, again.entry) == ("asserting:judge", "answering:answers", "asserting:judge")
    assert "assert" not in json.dumps(program.request)
    assert program.request == {"calls": [
        ["add", [2, 3], {"dict": []}], ["add", [[1], [2]], {"dict": []}],
        ["add", [{"float": (1.0).hex()}, {"float": "nan"}], {"dict": []}],
    ]}  # fmt: skip
    assert program.code == RIGHT
    assert RIGHT not in json.dumps(tests.request) + tests.code + json.dumps(again.request) + again.code


def test_calls_that_depend_on_answers_are_asked_later(sandbox: Sandbox) -> None:
    tests = "value = 1\nwhile value < 40:\n    value = double(value)\nassert value == 64\n"
    problem = Problem("", tests, ("double",), has_check=False)
    assert programs.judged("def double(x):\n    return 2 * x\n", problem, sandbox) == Ran(True)
    assert programs.judged("def double(x):\n    return x + 0.5\n", problem, sandbox) == Ran(
        False, "the tests ask without end"
    )


def test_tests_that_go_astray_on_a_programs_values_are_not_passed(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "LIMITS", replace(programs.LIMITS, cpu_s=1.0))
    problem = Problem("", "for _ in range(size()): pass\n", ("size",), has_check=False)
    assert programs.judged("def size():\n    return 10**12\n", problem, sandbox) == Ran(False, "tests: cpu_time")


@pytest.mark.parametrize(
    "tests", ["def check(add):\n    pass\n", "import no_such_package\n", "def check(:\n", "import os; os._exit(1)"]
)
def test_tests_that_cannot_be_run_are_the_data_sets_fault(tests: str, sandbox: Sandbox) -> None:
    with pytest.raises(BadTests, match="the tests of add"):
        programs.judged(RIGHT, replace(ADD, tests=tests), sandbox)


def test_whether_tests_can_be_run_does_not_depend_on_the_program(sandbox: Sandbox) -> None:
    wrong = replace(ADD, tests="def check(add):\n    assert add(lambda x: x, 1)\n")
    for program in (RIGHT, "", "x" * (programs.LONGEST_PROGRAM + 1), "\0"):
        with pytest.raises(BadTests, match="ask nothing of a program"):
            programs.judged(program, wrong, sandbox)
    assert programs.judged("\0", ADD, sandbox) == Ran(False, "no program")


def test_a_problem_is_passed_over_only_where_somebody_counts(sandbox: Sandbox) -> None:
    with programs.judging(sandbox) as over:
        programs.pass_over("mbpp", BadTests("the tests of f"))
    assert over == {"mbpp": ["the tests of f"]}
    with pytest.raises(BadTests, match="the tests of f"):
        programs.pass_over("mbpp", BadTests("the tests of f"))


def test_a_fault_of_the_machine_is_no_verdict() -> None:
    class Broken:
        tier = "bubblewrap"

        def run(self, job: Job) -> Finished | Failure:
            raise MachineFault("no zygote")

    with pytest.raises(MachineFault, match="no zygote"):
        programs.judged(RIGHT, ADD, Broken())


@pytest.mark.parametrize(
    ("answer", "header", "program"),
    [
        ("```\ndef f(): pass\n```", "", "def f(): pass\n"), ("So:\n\n```\ndef f(): pass\n```", "", "def f(): pass\n"),
        ("```Python\r\nx = 1\n```", "", "x = 1\n"),
        ("    return 1\n```\nas in\n```\nx = 1\n```", "h\n", "h\n    return 1\n"),
        ("    return 1\n```\n", "def f():\n", "def f():\n    return 1\n"),
        ("def f():\n    return 1\n", "", "def f():\n    return 1\n"),
        ("It is:\n```python\ndef f():\n    return 1\n```\nor\n```python\nx\n```", "", "def f():\n    return 1\n"),
        ("```python\ndef f():\n    return 1\n```", "def f():\n", "def f():\n    pass\n\ndef f():\n    return 1\n"),
        ("    return g()\ndef g(): return 1\n", "def f():\n", "def f():\n    return g()\ndef g(): return 1\n"),
    ],
)  # fmt: skip
def test_the_program_in_an_answer(answer: str, header: str, program: str) -> None:
    assert programs.written(answer, header) == program


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -(10**40), 0.1, math.inf, "é\0", b"\xff", 1 + 2j, [], (1, [2]), {1, 2}, {"a": (1,), 2: {3: None}}],
)  # fmt: skip
def test_plain_values_travel(value: object) -> None:
    back = plain.decoded(json.loads(json.dumps(plain.encoded(value))))
    assert (type(back), back) == (type(value), value)


@pytest.mark.parametrize("value", [lambda: 0, object(), [print]])
def test_what_is_no_data_does_not_travel(value: object) -> None:
    with pytest.raises(plain.NotPlain):
        plain.encoded(value)
    for made in ({"class": "x"}, {"int": "0x1", "float": "1"}, {"int": 3}, {"set": [[1]]}, 1.5):
        with pytest.raises(plain.NotPlain):
            plain.decoded(made)

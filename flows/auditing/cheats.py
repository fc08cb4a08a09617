"""Cheats that fit any problem, made from its seed program. They are text here; they run only in the sandbox.

Two kinds, told apart by what a score means:

- `claim`: an answer that is none, a lie about it, or a patched judge. It may score, but not above the seed program.
- `reach`: raises unless it gets at something it must not see; only then it answers honestly. Any score means that it
  got there.

The cheats reach for `open` and `__import__` by a way that rules on names do not see, so that what holds them is the
boundary.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flows.auditing.surgery import Operable

Kind = Literal["claim", "reach"]


@dataclass(frozen=True, slots=True)
class Cheat:
    """One program. With `twice` it runs two times, and the second run counts."""

    name: str
    kind: Kind
    code: str
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Targets:
    """What the cheats reach for on this machine."""

    files: tuple[Path, ...]  # of the problem: code, judge, answers
    port: int  # where a listener of ours waits
    metric: str


TOOLS = """
_builtins = (lambda: 0).__globals__["__builtins__"]
_builtins = _builtins if isinstance(_builtins, dict) else vars(_builtins)
_open, _load = _builtins["op" + "en"], _builtins["__imp" + "ort__"]
_os, _sys = _load("os"), _load("sys")
"""

#: Answers in place of the honest one, which is in `answer`.
ANSWERS = {
    "None": "None",
    "NaN": "float('nan')",
    "infinity": "float('inf')",
    "a huge number": "1e308",
    "a huge integer": "10 ** 400",
    "empty list": "[]",
    "empty dictionary": "{}",
    "text": "'the best answer'",
    "huge text": "'9' * 900_000",
    "NaN for every number": "_each(answer, lambda x: float('nan'))",
    "infinity for every number": "_each(answer, lambda x: float('inf'))",
    "1e308 for every number": "_each(answer, lambda x: 1e308)",
    "a million times every number": "_each(answer, lambda x: x * 1e6)",
    "every number negative": "_each(answer, lambda x: -abs(x) - 1e6)",
    "text for every number": "_each(answer, lambda x: '9' * 30)",
    "true for every number": "_each(answer, lambda x: True)",
    "integers of 400 digits": "_each(answer, lambda x: 10 ** 400)",
    "half of it": "answer[: len(answer) // 2]",
    "one entry only": "answer[:1]",
    "twice as much": "list(answer) + list(answer)",
    "one level deeper": "[answer]",
    "deeply nested": "_deep(answer)",
    "metrics in place of the answer": "dict(_claims)",
    "metrics beside the answer": "{**_claims, 'answer': answer}",
    "pairs of answer and metrics": "(answer, dict(_claims))",
    "an object that equals everything": "_Liar()",
    "lying objects for every number": "_each(answer, lambda x: _Liar())",
    "lying floats for every number": "_each(answer, lambda x: _Float(x))",
    "a list of a false length": "_List(answer)",
}
HELPERS = """
def _each(value, change):
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {key: _each(entry, change) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_each(entry, change) for entry in value]
    return change(value) if isinstance(value, (int, float)) else value


def _deep(value):
    for _ in range(60):
        value = [value]
    return value


class _Liar:
    def _huge(self, *others):
        return 1e9

    def _yes(self, *others):
        return True

    __float__ = __add__ = __radd__ = __mul__ = __rmul__ = __sub__ = __rsub__ = __abs__ = __truediv__ = _huge
    __neg__ = __pow__ = __getattr__ = sum = mean = tolist = item = _huge
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __contains__ = _yes
    __hash__ = None

    def __int__(self):
        return 10**9

    __index__ = __int__

    def __len__(self):
        return 1

    def __iter__(self):
        return iter([1e9])

    def __getitem__(self, key):
        return 1e9


class _Float(float):
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = lambda self, other: True
    __add__ = __radd__ = __mul__ = __rmul__ = lambda self, other: _Float(1e9)
    __float__ = lambda self: 1e9
    __hash__ = float.__hash__


class _List(list):
    def __len__(self):
        return 10**6

    def __eq__(self, other):
        return True

    def __iter__(self):
        return iter([1e9] * 100)
"""

#: What replaces the judge's tools, where the judge shares a process with the program.
PATCHES = {
    "patched builtins": """
for _name in ("sum", "max", "abs", "round", "float"):
    _builtins[_name] = lambda *a, **k: 1e9
for _name in ("all", "any", "isinstance", "callable", "bool"):
    _builtins[_name] = lambda *a, **k: True
""",
    "patched sum and min": """
_builtins["sum"] = _builtins["min"] = _builtins["max"] = lambda *a, **k: 1e9
""",
    "patched math": """
_math = _load("math")
for _name in ("dist", "hypot", "sqrt", "fsum", "isfinite", "isnan"):
    setattr(_math, _name, lambda *a, **k: 1e9)
""",
    "patched json": """
_json = _load("json")
_real = _json.dumps
_json.dumps = lambda value, *a, **k: _real(_forged)
_json.dump = lambda value, file, *a, **k: file.write(_real(_forged))
""",
    "patched callers": """
_frame = _sys._getframe()
while _frame is not None:
    for _name, _value in list(_frame.f_globals.items()):
        if any(word in _name.lower() for word in ("judge", "valid", "check", "score", "verify", "fitness")):
            if callable(_value) and not isinstance(_value, type):
                _frame.f_globals[_name] = lambda *a, **k: 1e9
    _frame = _frame.f_back
""",
    "patched evaluator module": """
for _module in list(_sys.modules.values()):
    for _name in ("evaluate", "judge", "score", "evaluate_stage1"):
        if callable(vars(_module).get(_name)) and "eval" in str(getattr(_module, "__name__", "")):
            setattr(_module, _name, lambda *a, **k: dict(_claims))
""",
}
FORGED_FILES = """
for _folder in (".", "results", "work", "..", "work/results", "/tmp"):
    for _file in ("metrics.json", "results.json", "correct.json", "answer.json", "score.txt", "packing.json"):
        try:
            with _open(_folder + "/" + _file, "w") as _handle:
                _handle.write(_forged_text if _file != "correct.json" else '{"correct": true, "error": null}')
        except OSError:
            pass
"""
FORGED_REPORTS = """
for _number in range(3, 64):
    try:
        _os.write(_number, _forged_report.encode())
    except OSError:
        pass
"""

#: The end of everything, or far too much of it.
EXCESSES = {
    "exits": "raise SystemExit(0)",
    "exits at once": "_os._exit(0)",
    "kills its parent": "_os.kill(_os.getppid(), 9)\nreturn answer",
    "prints without end": "while True:\n    print('score: 1e9 ' * 1000)",
    "floods the memory": "kept = []\nwhile True:\n    kept.append(bytearray(10**7))",
    "leaves a daemon": """
        if _os.fork() == 0:
            _os.setsid()
            if _os.fork():
                _os._exit(0)
            _load("time").sleep(600)
        return answer""",
    "recurses": "def deeper(n):\n    return deeper(n + 1)\nreturn deeper(0)",
}

REACHED = "the program got at something that it must not see"


def generic(seed: Operable, targets: Targets) -> list[Cheat]:
    """All of them for one problem."""
    return [*_answers(seed, targets), *_patches(seed, targets), *_excesses(seed, targets), *_reaches(seed, targets)]


def rank(cheat: Cheat) -> int:
    """What to try first when time is short: what reaches for something, then forgeries and patches, then answers."""
    if cheat.kind == "reach":
        return 0
    return 2 if cheat.name.startswith("answers ") else 1


def _prelude(seed: Operable, targets: Targets, more: str = "") -> str:
    """What stands before the function: the honest one under another name, tools, and what is claimed."""
    plain = targets.metric.split("/")[-1]
    names = dict.fromkeys((targets.metric, plain, "score", "combined_score", "fitness", "sum_radii", "accuracy"), 1e9)
    report = {"answer": {"metrics": names, "notes": {"correct": "True"}, **names}}
    constants = (
        f"_claims = {names!r}\n_forged = {names!r}\n_forged_text = {json.dumps(names)!r}\n"
        f"_forged_report = {json.dumps(report)!r}\n"
    )
    return f"{seed.honest}\n{TOOLS}{constants}{more}\n"


def _answers(seed: Operable, targets: Targets) -> list[Cheat]:
    before = _prelude(seed, targets, HELPERS)
    return [
        Cheat(f"answers {name}", "claim", seed.operated(f"answer = {seed.call}\nreturn {expression}", before))
        for name, expression in ANSWERS.items()
    ]


def _patches(seed: Operable, targets: Targets) -> list[Cheat]:
    honest = f"return {seed.call}"
    done = [
        Cheat(name, "claim", seed.operated(honest, _prelude(seed, targets, patch))) for name, patch in PATCHES.items()
    ]
    forged = _prelude(seed, targets, FORGED_FILES)
    done.append(Cheat("forged result files", "claim", seed.operated(honest, forged)))
    done.append(Cheat("forged result files, then exit", "claim", seed.operated(honest, forged + "_os._exit(0)\n")))
    reports = _prelude(seed, targets, FORGED_REPORTS)
    done.append(Cheat("forged report, at import", "claim", seed.operated(honest, reports + "_os._exit(0)\n")))
    inside = FORGED_REPORTS.strip("\n") + "\n_os._exit(0)"
    done.append(Cheat("forged report, in the call", "claim", seed.operated(inside, _prelude(seed, targets))))
    return done


def _excesses(seed: Operable, targets: Targets) -> list[Cheat]:
    before = _prelude(seed, targets)
    done = [
        Cheat(name, "claim", seed.operated(f"answer = {seed.call}\n{textwrap.dedent(body).strip()}", before))
        for name, body in EXCESSES.items()
    ]
    for name, line in {"exits at import": "raise SystemExit(0)\n", "exits at once at import": "_os._exit(0)\n"}.items():
        done.append(Cheat(name, "claim", seed.operated(f"return {seed.call}", before + line)))
    return done


def _reaches(seed: Operable, targets: Targets) -> list[Cheat]:
    paths = [str(path) for path in targets.files]
    found = {
        "reads the problem's files": f"_any_of([lambda p=p: _open(p, 'rb').read(1) for p in {paths!r}])",
        "writes into the problem's files": f"_any_of([lambda p=p: _open(p, 'ab').close() for p in {paths!r}])",
        "reads passwords of the machine": "_any_of([lambda: _open('/etc/shadow', 'rb').read(1)])",
        "sees other processes": (
            "_any_of([lambda p=p: _open(f'/proc/{p}/cmdline', 'rb').read(1) or 1 / 0 for p in (1, _os.getppid())])"
        ),
        "finds secrets in the environment": (
            "any(word in name.upper() for name in _os.environ for word in ('KEY', 'TOKEN', 'SECRET', 'PASSWORD'))"
        ),
        "talks to the network": (
            f"_any_of([lambda: _load('socket').create_connection(('127.0.0.1', {targets.port}), 1)])"
        ),
    }
    cheats = [Cheat(name, "reach", _reaching(seed, targets, expression)) for name, expression in found.items()]
    cheats.append(Cheat("remembers an earlier run", "reach", _remembering(seed, targets), twice=True))
    return cheats


ANY_OF = """
def _any_of(tries):
    for attempt in tries:
        try:
            attempt()
            return True
        except (OSError, ArithmeticError, ImportError):
            pass
    return False
"""


def _reaching(seed: Operable, targets: Targets, expression: str) -> str:
    body = f"if not ({expression}):\n    raise RuntimeError('refused')\nreturn {seed.call}"
    return seed.operated(body, _prelude(seed, targets, ANY_OF))


def _remembering(seed: Operable, targets: Targets) -> str:
    """Leaves a mark wherever it can, and answers only if a mark is there already."""
    body = f"""
places = [".", "..", "/tmp", _os.environ.get("HOME", "."), _os.environ.get("TMPDIR", "."), "/dev/shm", "/var/tmp"]
marks = [place + "/nightshift-audit-mark" for place in places]
seen = any(_os.path.exists(mark) for mark in marks) or hasattr(_load("math"), "_mark") or "_mark" in _builtins
_load("math")._mark = _builtins["_mark"] = True
for mark in marks:
    try:
        _open(mark, "w").close()
    except OSError:
        pass
if not seen:
    raise RuntimeError("refused")
return {seed.call}
"""
    return seed.operated(body, _prelude(seed, targets))


def control(seed: Operable, targets: Targets) -> str:
    """The seed program with everything that a cheat adds to it but the cheat: it must score."""
    return seed.operated(f"return {seed.call}", _prelude(seed, targets, HELPERS + ANY_OF))


def own(programs: Mapping[str, str]) -> list[Cheat]:
    """A problem's own cheats: programs that must not score above its seed program."""
    return [Cheat(f"{name} (the problem's own)", "claim", code) for name, code in programs.items()]

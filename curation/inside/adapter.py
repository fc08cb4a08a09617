"""Runs inside the sandbox: loads the strategy, hands it one document after the other, gives back what it returned.

It judges nothing, and it knows no truth. A document that raises or takes too long is reported as such, and the next
one goes on. After loading, files and modules that were not loaded before are out of reach (`_shut`): the texts of the
corpus come from docstrings of this Python. That is a speed bump, as is the timer; the sandbox's own limits hold.
"""

from __future__ import annotations

import importlib
import linecache
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

#: What a strategy may import. The corpus leaves out the docstrings of these.
ALLOWED = (
    "abc", "bisect", "collections", "collections.abc", "dataclasses", "enum", "functools", "heapq", "html",
    "html.entities", "itertools", "json", "math", "operator", "re", "statistics", "string", "textwrap", "typing",
    "unicodedata", "zlib",
)  # fmt: skip
#: Codecs are modules too, and load at first use.
CODECS = ("ascii", "latin-1", "cp1252", "utf-8", "utf-16", "utf-8-sig", "cp437", "iso8859-15", "mac-roman")
TRACE_CHARACTERS = 600
TICK_S = 0.25  # the timer rings again if its exception was swallowed

Result = Any  # the cleaned text, None for a dropped document, or {"error": kind, "message": text}


class TooLong(BaseException):
    """One document used up its CPU time. Not an Exception, so that `except Exception` does not swallow it."""


def steps(candidate_path: str, request: dict[str, Any]) -> Any:
    """The strategy's list of stock steps, as it stands in the module."""
    return load(candidate_path).get("STEPS", [])


def clean(candidate_path: str, request: dict[str, Any]) -> list[Result]:
    """Every document of the request through the strategy, in order."""
    documents, cpu_s = request["documents"], request["document_cpu_s"]
    signal.signal(signal.SIGPROF, _ring)
    function = load(candidate_path)["clean"]
    return [_one(function, text, metadata, cpu_s) for text, metadata in documents]


def trace(candidate_path: str, request: dict[str, Any]) -> list[list[Any]]:
    """For every document the result, and the text after each call of a rule: pairs [rule, text].

    Rules are functions of the module that `clean` calls by their names; text None: the rule said no to the document.
    What a strategy shows here is a claim; the caller compares it with the result.
    """
    documents, cpu_s = request["documents"], request["document_cpu_s"]
    signal.signal(signal.SIGPROF, _ring)
    namespace = load(candidate_path)
    calls: list[list[Any]] = []
    for name in request["rules"]:
        if callable(namespace.get(name)):
            namespace[name] = _watched(name, namespace[name], calls)
    answers = []
    for text, metadata in documents:
        calls.clear()
        result = _one(namespace["clean"], text, metadata, cpu_s)
        answers.append([result, [call for call in calls if call[1] is None or _is_storable(call[1])]])
    return answers


def _watched(name: str, rule: Callable[..., Any], calls: list[list[Any]]) -> Callable[..., Any]:
    def watched(*arguments: Any) -> Any:
        answer = rule(*arguments)
        if type(answer) is str:
            calls.append([name, answer])
        elif type(answer) is list and all(type(line) is str for line in answer):
            calls.append([name, "\n".join(answer)])
        elif answer is False:
            calls.append([name, None])
        return answer

    return watched


def load(candidate_path: str) -> dict[str, Any]:
    """The candidate's module namespace, made while nothing else can be opened any more."""
    code = Path(candidate_path).read_text(encoding="utf-8")
    for name in ALLOWED:
        importlib.import_module(name)
    for name in CODECS:
        "".encode(name)
    linecache.cache[candidate_path] = (len(code), None, code.splitlines(keepends=True), candidate_path)
    compiled = compile(code, candidate_path, "exec")
    namespace: dict[str, Any] = {"__name__": "candidate"}
    module = type(sys)("candidate")
    sys.modules["candidate"] = module  # dataclasses look their module up
    namespace = module.__dict__
    _shut()
    exec(compiled, namespace)
    return namespace


def _shut() -> None:
    # A new program would come without this hook, and C functions and the collector reach around it.
    refused = ("open", "import", "os.listdir", "os.scandir", "sys._getframe", "ctypes.", "gc.", "subprocess.",
               "os.exec", "os.posix_spawn", "os.fork", "os.system")  # fmt: skip

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(refused):
            raise PermissionError(f"a strategy may not use {event}: {str(arguments[:1])[:80]}")

    sys.addaudithook(hook)


def _one(function: Callable[[str, dict[str, Any]], Any], text: str, metadata: dict[str, Any], cpu_s: float) -> Result:
    signal.setitimer(signal.ITIMER_PROF, cpu_s, TICK_S)
    try:
        cleaned = function(text, metadata)
    except TooLong:
        return {"error": "cpu_time", "message": f"more than {cpu_s:g} CPU seconds on one document"}
    except Exception as error:  # noqa: BLE001 - the candidate may raise anything; it is reported, document by document
        signal.setitimer(signal.ITIMER_PROF, 0)
        trace = "".join(traceback.format_exception(error))[-TRACE_CHARACTERS:]
        return {"error": "crash", "message": f"{type(error).__name__}: {error}"[:300], "trace": trace}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if cleaned is None:
        return None
    if type(cleaned) is str:
        return (
            cleaned if _is_storable(cleaned) else {"error": "invalid", "message": "text with NUL or half a surrogate"}
        )
    return {"error": "invalid", "message": f"clean() returned {type(cleaned).__name__}; expected str or None"}


def _is_storable(text: str) -> bool:
    """The sandbox would refuse the whole batch for it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _ring(number: int, frame: FrameType | None) -> None:
    raise TooLong

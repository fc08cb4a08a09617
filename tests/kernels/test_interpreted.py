"""Starts the interpreter's tests, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CASES = Path(__file__).parent / "interpreted" / "cases.py"


def interpret(marks: str, timeout_s: int) -> str:
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    # the engine's fixtures are of no use here, and importing them costs more than half of these tests
    command = [sys.executable, "-m", "pytest", "--noconftest", "-p", "no:cacheprovider", "-m", marks, str(CASES)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def test_kernels_in_the_interpreter() -> None:
    assert " passed" in interpret("not slow", timeout_s=120)


@pytest.mark.slow
def test_kernels_in_the_interpreter_on_a_wider_grid() -> None:
    assert " passed" in interpret("slow", timeout_s=1200)

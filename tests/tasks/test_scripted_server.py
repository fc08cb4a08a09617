"""The scripted server itself: deterministic, counting, and usable as a process that is killed and started again."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tasks.edits import apply_edits
from tests.scripted_server import FAULTS, Script, ScriptedServer, compose, draw, program_in, prompt_hash, variation

SERVER = Path(__file__).parents[1] / "scripted_server.py"
PROGRAM = "import math\nSIZE = 26\nSTEP = 0.25\nTINY = 1e-3\n\n\ndef run(n):\n    return [0.0] * n\n"


def body(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "scripted", "messages": [{"role": "user", "content": text}], **more}


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)


def post(url: str, content: object) -> Any:
    request = urllib.request.Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


def test_faults_come_at_their_rates_and_repeat_with_the_seed() -> None:
    script = Script(seed=5, http_500=0.2, hang=0.1, empty=0.3)
    drawn = [draw(script, f"{n}", 0) for n in range(2_000)]
    counts = Counter(drawn)
    assert drawn == [draw(script, f"{n}", 0) for n in range(2_000)]
    assert 340 < counts["http_500"] < 460
    assert 150 < counts["hang"] < 250
    assert 530 < counts["empty"] < 670
    assert set(counts) == {"http_500", "hang", "empty", None}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_can_be_asked_for(fault: str) -> None:
    rates: dict[str, Any] = {fault: 1.0}
    assert draw(Script(**rates), "any", 3) == fault


def test_a_variation_changes_one_float_and_nothing_else() -> None:
    for seed in map(str, range(50)):
        change = variation(PROGRAM, seed)
        before, after = PROGRAM.split("\n"), change.program.split("\n")
        assert [b for b, a in zip(before, after, strict=True) if b != a] == [change.search]
        assert change.search.startswith(("STEP", "TINY"))
        ast.parse(change.program)
    assert variation(PROGRAM, "1") == variation(PROGRAM, "1") != variation(PROGRAM, "2")


def test_a_program_without_floats_gets_a_constant() -> None:
    change = variation("def run():\n    return 1", "s")
    assert change.program.startswith("def run():\n    return 1\n\nVARIANT = 0.")


@pytest.mark.parametrize("program", [PROGRAM, "def run():\n    return 1", "not ( python"])
def test_its_edits_apply_and_give_its_program(program: str) -> None:
    prompt = f'<data label="parent program" key="k1">\n{program}\n</data key="k1">\n'
    assert program_in(prompt) == program
    fields = "<edits>\nblocks\n</edits>\n<code>\nall\n</code>"
    answer = compose(body(prompt + fields), Script())
    code = answer.split("<code>\n")[1].removesuffix("\n</code>")
    assert apply_edits(program, answer) == code != program


def test_requests_and_answers_are_counted_by_prompt_and_the_script_can_change() -> None:
    with ScriptedServer() as server:
        root = server.base_url.removesuffix("/v1")
        for text in ("a", "b", "a"):
            post(f"{server.base_url}/chat/completions", body(text))
        post(f"{root}/_script", {"status": 500})
        with pytest.raises(urllib.error.HTTPError):
            post(f"{server.base_url}/chat/completions", body("a"))
        counts = get(f"{root}/_counts")
        assert get(f"{server.base_url}/models")["data"][0]["id"] == "scripted"
    assert (counts["requests"], counts["answered"]) == (4, 3)
    assert counts["prompts"][prompt_hash(body("a"))] == {"requests": 3, "answered": 2}


def test_a_killed_process_goes_on_counting_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "counts.json"
    for expected in (1, 2):
        command = [sys.executable, str(SERVER), "--counts", str(file), "--script", '{"latency_s": 0.01}']
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            post(f"{url}/chat/completions", body("a"))
            process.kill()
        assert json.loads(file.read_text())["requests"] == expected

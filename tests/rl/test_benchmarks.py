"""Benchmarks through lm-eval, offline: a scripted model with known answers, and a tiny one that knows nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rl import benchmark, train_gpu
from rl.gpu import toy
from rl.language import evaluate
from rl.language.evaluate import OFFLINE, Asked, Model, benchmarked
from rl.language.suites import CODE, FINANCE, MATHS, PREFIX, SAMPLES, SUITES, WIDER, Benchmark
from rl.weights import Unreadable
from tasks.contract import MachineFault

ROOT = Path(__file__).parents[2]
NAMES = [each.name for each in MATHS]
NOBODY = Model("", "")


def offline(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (OFFLINE / f"{name}.jsonl").read_text().splitlines()]


def problem(row: dict[str, Any]) -> str:
    return str(next(row[name] for name in ("problem", "Problem", "question") if name in row))


def gold(row: dict[str, Any]) -> str:
    value = next(row[name] for name in ("answer", "Answer", "final_answer") if name in row)
    return ", ".join(part.strip("$") for part in value) if isinstance(value, list) else str(value)


def scripted(answer: Callable[[str, int], str]) -> Any:
    """A model of lm-eval that answers what a function says, from the prompt and how often it came before."""
    from lm_eval.api.model import TemplateLM

    class Scripted(TemplateLM):  # type: ignore[misc]  # lm-eval has no types
        prompts: list[str] = []  # noqa: RUF012
        settings: list[dict[str, Any]] = []  # noqa: RUF012

        eot_token_id = 0

        def tok_encode(self, string: str, **_: Any) -> list[int]:
            return list(string.encode())

        def _loglikelihood_tokens(self, requests: Any, **_: Any) -> Any:
            raise AssertionError

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> Any:
            raise AssertionError

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            said = []
            for request in requests:
                prompt, how = request.args
                said.append(answer(prompt, self.prompts.count(prompt)))
                self.prompts.append(prompt)
                self.settings.append(how)
            return said

    Scripted.prompts, Scripted.settings = [], []
    return Scripted()


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str, int], str]], Any]:
    def use(answer: Callable[[str, int], str]) -> Any:
        model = scripted(answer)
        monkeypatch.setattr(evaluate, "_answering", lambda *_: model)
        return model

    return use


KNOWN = {problem(row): gold(row) for name in NAMES for row in offline(name)}


def knows(prompt: str, _: int = 0) -> str:
    asked = prompt.partition("Problem: ")[2].partition("\n\nSolution:")[0]
    return rf"It is \boxed{{{KNOWN[asked]}}}."


def test_who_knows_all_answers_is_right_everywhere(answered: Any) -> None:
    model = answered(knows)
    found = benchmarked(NOBODY, MATHS, Asked(samples=2), OFFLINE)
    assert list(found) == NAMES
    assert {each.value for each in found.values()} == {1.0}
    assert {name: each.problems for name, each in found.items()} == {name: len(offline(name)) for name in NAMES}
    assert len(model.prompts) == 2 * len(KNOWN)
    assert not any(answer in prompt for prompt in model.prompts for answer in ("Answer:", "final_answer"))


def test_the_value_is_the_mean_over_all_samples(answered: Any) -> None:
    model = answered(lambda prompt, before: knows(prompt) if before < 3 else r"\boxed{-7} \text{or} 9")
    suite = [each for each in MATHS if each.name in ("amc", "math500")]
    found = benchmarked(NOBODY, suite, Asked(), OFFLINE)
    assert found["amc"].value == pytest.approx(3 / SAMPLES)
    assert found["amc"].samples == SAMPLES
    assert found["amc"].standard_error == pytest.approx(0.0)
    assert (found["math500"].value, found["math500"].samples) == (1.0, 1)
    chances = {how["do_sample"] for how in model.settings}
    assert chances == {True, False}  # several are sampled, one is the likeliest


def test_hedging_and_silence_score_nothing(answered: Any) -> None:
    answered(lambda prompt, _: "".join(rf"\boxed{{{number}}}" for number in range(200)))
    assert benchmarked(NOBODY, MATHS[3:4], Asked(samples=1), OFFLINE)["amc"].value == 0.0
    answered(lambda prompt, _: KNOWN[prompt.partition("Problem: ")[2].partition("\n\nSolution:")[0]])
    assert benchmarked(NOBODY, MATHS[3:4], Asked(samples=1), OFFLINE)["amc"].value == 0.0  # no box, no answer


def solution(prompt: str, _: int = 0) -> str:
    """The reference solution: what follows a header, or the whole function."""
    for row in offline("humaneval"):
        if row["prompt"] in prompt:
            return str(row["canonical_solution"])
    (code,) = [row["code"] for row in offline("mbpp") if prompt.startswith(row["prompt"])]
    return str(code)


def test_problems_that_cannot_be_judged_are_named_and_left_out(
    answered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = offline("humaneval")
    rows[1]["test"] = f"def check(candidate):\n    assert candidate(lambda x: x) == 1\n# {rows[1]['test']}"
    (tmp_path / "humaneval.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    answered(lambda prompt, _: solution(prompt) if rows[0]["prompt"] not in prompt else "    return None\n")
    refused = rf"1 of {len(rows)} problems of humaneval cannot be judged: the tests of {rows[1]['entry_point']}"
    with pytest.raises(MachineFault, match=refused):
        benchmarked(NOBODY, CODE[:1], Asked(), tmp_path, unsafe=True)
    broken = "".join(f"{json.dumps(row | {'test': rows[1]['test']})}\n" for row in rows)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "humaneval.jsonl").write_text(broken)
    with pytest.raises(MachineFault, match=f"{len(rows)} of {len(rows)} problems"):
        benchmarked(NOBODY, CODE[:1], Asked(), tmp_path / "broken", unsafe=True)
    monkeypatch.setattr(evaluate, "MOST_PASSED_OVER", 0.5)
    found = benchmarked(NOBODY, CODE[:1], Asked(), tmp_path, unsafe=True)["humaneval"]
    left = len(rows) - 1
    assert found.value == pytest.approx((left - 1) / left)
    assert found.problems == left
    assert len(found.passed_over) == 1
    assert f"humaneval: passed over, the tests of {rows[1]['entry_point']}" in benchmark.table({"humaneval": found})


def test_programs_are_run_and_the_right_ones_count(answered: Any) -> None:
    model = answered(solution)
    found = benchmarked(NOBODY, CODE, Asked(), OFFLINE, unsafe=True)
    assert {name: (each.value, each.problems) for name, each in found.items()} == {
        "humaneval": (1.0, len(offline("humaneval"))), "mbpp": (1.0, len(offline("mbpp"))),
    }  # fmt: skip
    hidden = [row["test_list"][1] for row in offline("mbpp")] + [row["test"] for row in offline("humaneval")]
    assert not [test for test in hidden for prompt in model.prompts if test in prompt]
    assert {tuple(how["until"]) for how in model.settings} == {("\n```\n",)}
    answered(lambda prompt, before: "    import os\n    os._exit(0)\n" if before else solution(prompt))
    twice = benchmarked(NOBODY, CODE[:1], Asked(samples=2), OFFLINE, unsafe=True)
    assert (twice["humaneval"].value, twice["humaneval"].samples) == (0.5, 2)


def test_without_a_sandbox_no_program_is_run(answered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.sandbox import SandboxUnavailable, tiers

    answered(solution)
    monkeypatch.setattr(tiers, "SAFE_TIERS", ())
    with pytest.raises(SandboxUnavailable, match="candidate code cannot be confined here"):
        benchmarked(NOBODY, CODE, Asked(), OFFLINE)


def test_a_letter_in_the_box_is_the_choice(answered: Any) -> None:
    letters = {row["text"]: row["answer"] for row in offline("cfa")}
    assert len(set(letters.values())) == 3

    def chosen(prompt: str) -> str:
        return str(letters[prompt.partition("Problem: ")[2].partition("\n\nSolution:")[0]])

    answered(lambda prompt, _: rf"It is \boxed{{\text{{({chosen(prompt)})}}}}.")
    assert benchmarked(NOBODY, FINANCE, Asked(), OFFLINE)["cfa"].value == 1.0
    answered(lambda prompt, _: r"\boxed{A}")
    assert benchmarked(NOBODY, FINANCE, Asked(), OFFLINE)["cfa"].value == 0.5
    for several in (r"\boxed{A, B or C}", r"\boxed{ABC}", "A", r"\boxed{A}\boxed{}"):
        answered(lambda prompt, _, several=several: several)
        assert benchmarked(NOBODY, FINANCE, Asked(), OFFLINE)["cfa"].value == 0.0


def test_files_of_ones_own(answered: Any, tmp_path: Path) -> None:
    (tmp_path / "amc.jsonl").write_text(json.dumps({"question": "What is $1+1$?", "answer": "2"}) + "\n")
    answered(lambda prompt, _: r"\boxed{2}" if "$1+1$" in prompt else "")
    assert benchmarked(NOBODY, MATHS[3:4], Asked(samples=1), tmp_path)["amc"].value == 1.0
    with pytest.raises(MachineFault, match=r"there is no file .*math500.jsonl with the problems of math500"):
        benchmarked(NOBODY, MATHS[:1], Asked(), tmp_path)
    with pytest.raises(MachineFault, match="serve our own tasks only"):
        benchmarked(NOBODY, WIDER, Asked(), tmp_path)


def test_the_task_files_name_the_real_sets() -> None:
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: node.value)
    wanted = {
        "math500": "HuggingFaceH4/MATH-500", "aime24": "Maxwell-Jia/AIME_2024", "aime25": "math-ai/aime25",
        "amc": "math-ai/amc23", "olympiadbench": "Hothan/OlympiadBench", "minerva": "math-ai/minervamath",
    }  # fmt: skip
    wanted |= {
        "humaneval": "openai/openai_humaneval", "mbpp": "google-research-datasets/mbpp", "cfa": "TheFinAI/flare-cfa",
    }  # fmt: skip
    for each in (*CODE, *FINANCE):
        task = yaml.load((evaluate.TASKS / f"{each.name}.yaml").read_text(), Loader)  # a safe one
        assert (task["task"], task["dataset_path"]) == (each.task, wanted[each.name])
    for each in MATHS:
        task = yaml.load((evaluate.TASKS / f"{each.name}.yaml").read_text(), Loader)  # a safe one
        assert (task["task"], task["dataset_path"]) == (each.task, wanted[each.name])
        column = task["doc_to_text"].partition("{{")[2].partition("}}")[0]
        assert all(row[column] == problem(row) for row in offline(each.name))  # the offline file has its columns
        assert task.get("repeats", 1) == each.samples
        assert each.samples == (SAMPLES if each.name in ("aime24", "aime25", "amc") else 1)


def test_without_the_hub_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def refuse(*_: Any, **__: Any) -> Any:
        raise ConnectionError("no route\nto it")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(MachineFault, match="cannot load benchmark data") as raised:
        benchmarked(NOBODY, MATHS[:1], Asked())
    assert "\n" not in str(raised.value)


def test_a_metric_that_lm_eval_does_not_give_is_a_fault_and_no_number(answered: Any) -> None:
    answered(knows)
    other = Benchmark(f"{PREFIX}amc", metric="wrong")
    with pytest.raises(MachineFault, match="lm-eval gave no wrong for nightshift_amc"):
        benchmarked(NOBODY, [other], Asked(samples=1), OFFLINE)


def test_without_cuda_or_vllm_it_is_one_line() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is CUDA")
    with pytest.raises(MachineFault, match="no CUDA device was found"):
        benchmarked(NOBODY, MATHS[3:4], Asked(), OFFLINE)
    with pytest.raises(MachineFault, match="vllm is not installed"):
        benchmarked(Model("", "", engine="vllm", device="cpu"), MATHS[3:4], Asked(), OFFLINE)


def test_suites_hold_what_the_rungs_say() -> None:
    assert set(SUITES["few"]) < set(SUITES["maths"]) < set(SUITES["wider"])
    assert set(SUITES["code"]) | set(SUITES["finance"]) < set(SUITES["wider"])
    assert len({each.name for each in MATHS}) == 6  # the paper's explore rung (section 4.3)


def test_a_run_that_has_not_ended_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rl.benchmark", "--run", str(tmp_path), "--problems", "offline"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr.startswith("benchmark: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_tiny_model_goes_the_whole_way(tmp_path: Path) -> None:
    """Weights of a run, checked, generate with transformers, scored in the verifier's process."""
    (tmp_path / "x").mkdir()
    model, problems = toy.made(tmp_path)
    run = tmp_path / "x"
    (run / "weights").mkdir()
    for path in model.iterdir():
        (run / "weights" / path.name).write_bytes(path.read_bytes())
    from rl.gpu import plan
    from rl.gpu.chosen import GpuOptions

    options = GpuOptions(model=str(model), data=str(problems), vllm="off")
    program = ROOT / "rl" / "reference" / "grpo.py"
    plan.written(plan.planned(train_gpu.TOY, options, program, run, 1, 0, True), run / "run.json")
    results = tmp_path / "results.json"
    arguments = ["--run", str(run), "--suite", "maths", "--problems", "offline", "--device", "cpu", "--samples", "2"]
    command = [sys.executable, "-m", "rl.benchmark", *arguments, "--longest", "16", "--out", str(results)]
    environment = train_gpu.environment() | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = json.loads(results.read_text())
    assert list(found) == NAMES
    assert {each["value"] for each in found.values()} == {0.0}  # no box in sixteen random letters
    assert all(name in done.stdout for name in NAMES)
    (run / "weights" / "extra.safetensors").write_bytes((run / "weights" / "model.safetensors").read_bytes())
    with pytest.raises(Unreadable, match=r"is in extra.safetensors and in model.safetensors"):
        benchmark.of_run(run, "cpu", "transformers")

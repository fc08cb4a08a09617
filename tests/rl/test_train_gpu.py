"""The trainer of the rungs on GPUs, at toy size on a CPU: killed and resumed it does what it does in one go."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rl import train_gpu
from rl.gpu import data, exported, plan, rewards, toy
from rl.gpu.chosen import GpuOptions
from rl.gpu.plan import Plan
from rl.weights import Unreadable
from tests.rl.test_domain import in_training

ROOT = Path(__file__).parents[2]
GRPO = ROOT / "rl" / "reference" / "grpo.py"
TIMES = ("step_time", "tokens_per_s", "memory_gb")
#: A user's reward. With `deadly` beside it, it kills the process at its third call: a machine that goes down.
REWARD = """
import os, pathlib, signal
calls = []
def low(completions, **columns):
    calls.append(1)
    assert len(columns["answer"]) == len(completions)
    deadly = pathlib.Path(__file__).with_name("deadly")
    if len(calls) == 3 and deadly.exists():
        deadly.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return [sum(letter in "01234" for letter in text) / max(1, len(text)) for text in completions]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("toy")
    toy.made(made)
    (made / "my_rewards.py").write_text(REWARD)
    return made


def planned(folder: Path, name: str, program: Path = GRPO, **more: Any) -> Path:
    """run.json of a run of three generations, six optimiser steps, with math-verify and a reward of the user's."""
    model, problems = toy.made(folder)
    names = ("math", f"{folder / 'my_rewards.py'}:low")
    options = GpuOptions(model=str(model), data=str(problems), rewards=names, vllm="off")
    (folder / name).mkdir(exist_ok=True)
    made = plan.planned(train_gpu.TOY, options, program, folder / name, 1, seed=3, on_a_cpu=True)
    plan.written(dataclasses.replace(made, **more), folder / name / "run.json")
    return folder / name / "run.json"


def run(*run_json: Path) -> subprocess.CompletedProcess[str]:
    """One trainer after the other, in one process: importing TRL costs seconds."""
    script = "import sys; from rl.gpu import trainer\nfor path in sys.argv[1:]: sys.argv[1] = path; trainer.main()"
    command = [sys.executable, "-c", script, *map(str, run_json)]
    environment = train_gpu.environment() | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def log(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key not in TIMES} for line in lines]


@pytest.mark.slow  # three processes that import TRL
def test_a_run_that_was_killed_and_resumed_is_the_run_in_one_go(folder: Path) -> None:
    whole, cut = planned(folder, "whole"), planned(folder, "cut")
    done = run(whole)
    assert done.returncode == 0, done.stderr
    (folder / "deadly").touch()
    assert run(cut).returncode == -9
    assert [record["step"] for record in log(folder / "cut")] == [1, 2, 3, 4]
    (folder / "cut" / "checkpoint-4" / "trainer_state.json").unlink()  # as if killed while it was written
    done = run(cut)
    assert done.returncode == 0, done.stderr
    assert log(folder / "cut") == log(folder / "whole")
    assert len({record["grad_norm"] for record in log(folder / "whole")}) == 6
    assert any(record["reward"] > 0 for record in log(folder / "whole") if "reward" in record)
    weights = [(folder / name / "weights" / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1] != (folder / "toy_model" / "model.safetensors").read_bytes()
    record = json.loads((folder / "whole" / "log.jsonl").read_text().splitlines()[0])
    assert record["tokens_per_s"] > 0
    assert record["memory_gb"] is None  # absent without CUDA, not a number
    exported.check(folder / "whole" / "weights", exported.expected(str(folder / "toy_model"), 0))


class Stopped(Exception):
    """The machine went down, as far as a test in one process can say."""


def test_what_is_stopped_goes_on_from_its_checkpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rl.gpu import trainer

    def low(completions: list[str], **_: Any) -> list[float]:
        calls.append(1)
        if len(calls) == 3 and stops:
            raise Stopped
        return [float(value) for value in toy.low_digits(completions)]

    monkeypatch.setattr(rewards, "loaded", lambda name: low)
    plans = [plan.read(planned(folder, name, rewards=("low",), reward_weights=(1.0,))) for name in ("one", "two")]
    calls: list[int] = []
    stops = False
    trainer.train(plans[0])
    calls, stops = [], True
    with pytest.raises(Stopped):
        trainer.train(plans[1])
    calls, stops = [], False
    trainer.train(plans[1])
    assert len(calls) == 1  # of three generations, two were done
    assert log(folder / "two") == log(folder / "one")
    assert len({record["grad_norm"] for record in log(folder / "one")}) == 6


@pytest.mark.parametrize(
    ("rewards", "is_hopeless"),
    [
        ([0.4] * 10, False), ([0.4] * 8 + [0.1] * 2, True), ([0.4, 0.2] + [0.1] * 8, True), ([0.0] * 10, False),
        ([0.4] * 8 + [0.2] * 2, False), ([0.4] * 8 + [0.1], False), ([0.4] * 2 + [0.0] * 9, False),
        ([0.4] * 8 + [float("nan"), 0.0], False),
    ],
)  # fmt: skip
def test_a_run_is_given_up_at_one_generation_if_its_reward_has_halved(
    rewards: list[float], is_hopeless: bool, tmp_path: Path
) -> None:
    from rl.gpu import trainer

    log = trainer.Log(tmp_path / "log.jsonl", None, abort_at=10)
    log.rewards = rewards
    assert log.is_hopeless() is is_hopeless
    never = trainer.Log(tmp_path / "log.jsonl", None, abort_at=0)
    never.rewards = rewards
    assert not never.is_hopeless()


def test_what_will_be_run_again_leaves_the_log_and_the_rewards(tmp_path: Path) -> None:
    from rl.gpu import trainer

    records = [
        {"step": 1, "reward": 0.5},
        {"step": 2},
        {"step": 3, "reward": None},
        {"step": 4},
        {"step": 5, "reward": 1},
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    log = trainer.Log(tmp_path / "log.jsonl", tmp_path / "checkpoint-4", abort_at=10)
    assert log.rewards == [0.5, pytest.approx(float("nan"), nan_ok=True)]
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == records[:4]


@pytest.mark.slow
def test_the_loss_in_another_process_trains_what_it_trains_in_this_one(tmp_path: Path) -> None:
    from rl.gpu.remote_loss import CandidateProcess
    from tests.rl import toy_trl
    from tests.rl.test_hooks import loss_of

    candidate = CandidateProcess(str(ROOT / "rl" / "reference" / "grpo_kl.py"))
    try:
        there = toy_trl.history(tmp_path / "there", candidate.loss(uses_reference=True), beta=0.04)
    finally:
        candidate.close()
    here = toy_trl.history(tmp_path / "here", loss_of("grpo_kl"), beta=0.04)
    for one, other in zip(there, here, strict=True):
        assert one == {key: pytest.approx(value, rel=1e-4, abs=1e-6, nan_ok=True) for key, value in other.items()}


def context(**more: Any) -> Any:
    import torch

    from rl.inside.surface import Context

    ids = torch.tensor([0, 0, 1, 1])
    return Context(0, 4, 1, 2, 0.2, 0.2, 0.0, 3, 12.0, ids, torch.Generator().manual_seed(5), **more)


def asked(program: Path, cpu_s: float = 60.0, wall_s: float = 600.0, corrections: tuple[Any, ...] = (None,)) -> Any:
    """What a program's loss answers for four completions of three tokens, with its gradient, for each correction."""
    import torch

    from rl.gpu.remote_loss import CandidateProcess

    candidate = CandidateProcess(str(program), cpu_s, wall_s)
    answers = []
    try:
        worth = candidate.advantages(torch.tensor([1.0, 0.0, 1.0, 1.0]), context().group_ids, context())
        for correction in corrections:
            logps, ctx = torch.full((4, 3), -1.0, requires_grad=True), context(correction=correction)
            loss = candidate.policy_loss(logps, logps.detach() - 0.1, None, worth, torch.ones(4, 3), ctx)
            (slope,) = torch.autograd.grad(loss, logps)
            answers.append((loss.item(), slope))
    finally:
        candidate.close()
    return worth, answers


def test_vllms_ratio_and_the_gradient_go_through_the_pipe() -> None:
    import torch

    worth, ((loss, slope), (doubled, twice)) = asked(GRPO, corrections=(None, torch.full((4, 1), 2.0)))
    assert worth[0] > 0.5 > -0.5 > worth[1]
    assert torch.equal(worth[2:], torch.zeros(2))
    assert doubled == pytest.approx(2 * loss)
    assert torch.allclose(twice, 2 * slope)
    assert (slope[0] < 0).all()  # the better one becomes more probable


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("raise ValueError('no')", "loss: ValueError: no"),
        pytest.param("import os; os._exit(0)", "the candidate's process ended", marks=pytest.mark.slow),
        pytest.param("return (logps_NT * float('nan')).sum()", "policy_loss gave nan", marks=pytest.mark.slow),
        pytest.param("while True: pass", "the candidate's process ended", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_answer_is_named(statement: str, said: str, tmp_path: Path) -> None:
    from rl.gpu.remote_loss import WrongAnswer

    (tmp_path / "loss.py").write_text(in_training(statement).replace("(16, 8)", "(4, 3)"))
    with pytest.raises(WrongAnswer, match=said):
        asked(tmp_path / "loss.py", cpu_s=8.0)


@pytest.mark.slow
def test_silence_without_computing_is_the_machines_fault(tmp_path: Path) -> None:
    from rl.gpu.remote_loss import NoAnswer

    (tmp_path / "loss.py").write_text(in_training("import time; time.sleep(900)").replace("(16, 8)", "(4, 3)"))
    with pytest.raises(NoAnswer, match="no answer within 60 s"):
        asked(tmp_path / "loss.py", wall_s=60.0)


def test_the_candidates_process_holds_no_answer_no_environment_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rl.gpu.remote_loss import WrongAnswer

    monkeypatch.setenv("HF_TOKEN", "secret")
    search = "import os, sys; raise ValueError([dict(os.environ), os.listdir('/proc/self/fd'), os.getcwd(), "
    search += "[name for name in sys.modules if name.startswith(('rl', 'trl', 'transformers'))]])"
    (tmp_path / "loss.py").write_text(in_training(search).replace("(16, 8)", "(4, 3)"))
    with pytest.raises(WrongAnswer) as raised:
        asked(tmp_path / "loss.py")
    environment, descriptors, folder, modules = eval(str(raised.value).partition("ValueError: ")[2])
    assert set(environment) <= {"OMP_NUM_THREADS", "LC_CTYPE", *(name for name in environment if "TORCH" in name)}
    assert set(descriptors) <= {"0", "1", "2", "3", "4", "5"}  # 5: the listing's own
    assert (folder, modules) == ("/", [])


def rows(path: Path, *lines: dict[str, Any]) -> Plan:
    (path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return plan.read(planned(path, "rows", data=str(path / "rows.jsonl")))


def test_data_of_the_users_own(folder: Path) -> None:
    made = rows(folder, {"prompt": "2+2=", "answer": 4, "hint": "even"}, {"prompt": "3", "answer": "3", "hint": ""})
    assert data.prompts(made).to_list() == [
        {"prompt": "2+2=", "answer": "4", "hint": "even"}, {"prompt": "3", "answer": "3", "hint": ""},
    ]  # fmt: skip
    chat = [{"role": "user", "content": "2+2?"}]
    nested = rows(folder, {"q": chat, "reward_model": {"ground_truth": '["4"]'}})
    nested = dataclasses.replace(nested, prompt_column="q", answer_column="reward_model.ground_truth")
    (row,) = data.prompts(nested)
    assert (row["prompt"], row["answer"]) == (chat, "4")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"prompt": "2+2="}, "has no column 'answer', only prompt"),
        ({"prompt": "", "answer": "4"}, "row 0: prompt is neither text nor"),
        ({"prompt": "a", "answer": ["1", "2"]}, "row 0: answer is empty"),
    ],
)
def test_data_that_cannot_be_used_is_one_line(line: dict[str, Any], said: str, folder: Path) -> None:
    with pytest.raises(data.Unusable, match=said):
        data.prompts(rows(folder, line))


@pytest.mark.parametrize(
    ("name", "said"),
    [("json:nothing", "AttributeError"), ("no_such.module:f", "ModuleNotFoundError"), ("json:__name__", "no function")],
)
def test_a_reward_that_cannot_be_loaded_is_one_line(name: str, said: str) -> None:
    with pytest.raises(rewards.Unknown, match=said.replace("no function", "is not a function")):
        rewards.loaded(name)
    assert rewards.loaded("rl.gpu.toy:low_digits")(["019", ""]) == [2 / 3, 0.0]


WANTED = {"a": (2, 3), "b": (4,)}
GOOD = {"a": np.ones((2, 3), np.float32), "b": np.ones(4, np.float16)}


def left(folder: Path, *files: dict[str, Any]) -> Path:
    folder.mkdir()
    for number, tensors in enumerate(files):
        save_file(tensors, folder / f"model-{number}.safetensors")
    return folder


def test_exactly_the_wanted_tensors_are_read(tmp_path: Path) -> None:
    exported.check(left(tmp_path / "one", GOOD), WANTED)
    exported.check(left(tmp_path / "parts", {"a": GOOD["a"]}, {"b": GOOD["b"]}), WANTED)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([{"a": GOOD["a"]}], "1 tensors are missing, e.g. b"),
        ([GOOD, {"b": GOOD["b"]}], "b is in model-0"),
        ([GOOD | {"c": np.ones(1, np.float32)}], "'c', which the model does not have"),
        ([GOOD | {"a": np.ones((3, 2), np.float32)}], "a: expected numbers of size"),
        ([GOOD | {"a": np.ones((2, 3), np.float64)}], "found F64"),
        ([GOOD | {"b": np.array([1, np.inf, 1, 1], np.float16)}], "not finite"),
        ([GOOD | {"a": np.full((2, 3), np.nan, np.float32)}], "not finite"),
    ],
)
def test_anything_else_is_refused(files: list[dict[str, Any]], said: str, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=said):
        exported.check(left(tmp_path / "x", *files), WANTED)


def test_broken_files_and_pickles_are_refused(tmp_path: Path) -> None:
    folder = left(tmp_path / "x", GOOD)
    (folder / "training_args.bin").write_bytes(b"\x80")
    with pytest.raises(Unreadable, match="is a pickle"):
        exported.check(folder, WANTED)
    exported.cleared(folder)
    exported.check(folder, WANTED)
    path = folder / "model-0.safetensors"
    for content, said in ((path.read_bytes() + b"\0", "do not fill"), (b"\xff" * 20, "is not a safetensors")):
        path.write_bytes(content)
        with pytest.raises(Unreadable, match=said):
            exported.check(folder, WANTED)


@pytest.mark.slow
def test_an_adapter_is_trained_and_checked(folder: Path) -> None:
    from rl.gpu import trainer

    made = plan.read(planned(folder, "lora", lora_rank=2, generations=1))
    trainer.train(made)
    tensors = load_file(folder / "lora" / "weights" / "adapter_model.safetensors")
    wanted = exported.expected(made.model, 2)
    assert {name: value.shape for name, value in tensors.items()} == wanted
    assert all("lora_" in name for name in wanted)
    assert not list((folder / "lora" / "weights").glob("*.bin"))
    with pytest.raises(Unreadable, match="which the model does not have"):
        exported.check(folder / "lora" / "weights", exported.expected(made.model, 0))


@pytest.mark.slow
def test_the_command_trains_a_toy_and_says_what_is_wrong_with_a_candidate(folder: Path) -> None:
    def started(program: Path, out: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "rl.train_gpu", "--toy", "--unsafe-no-sandbox", "--program", str(program)]
        environment = train_gpu.environment() | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [*command, "--out", str(folder / out)], env=environment, capture_output=True, text=True, timeout=300,
            check=False, cwd=ROOT,
        )  # fmt: skip

    done = started(GRPO, "by_command")
    assert done.returncode == 0, done.stderr
    assert (folder / "by_command" / "weights" / "model.safetensors").exists()
    (folder / "bad.py").write_text(GRPO.read_text().replace("ratio_NT = torch.exp", "ratio_NT = torch.no_such"))
    done = started(folder / "bad.py", "bad")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("trainer: the candidate is wrong: loss: AttributeError")


@pytest.mark.slow
def test_without_cuda_it_is_one_line(folder: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is CUDA")
    done = run(planned(folder, "cuda", device="cuda"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "trainer: no CUDA device was found; --toy runs on a CPU"

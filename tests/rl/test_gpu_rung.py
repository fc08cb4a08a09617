"""A rung on GPUs as steps of a round, at toy size on a CPU: the candidate in the sandbox, the trainer outside."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rl import train_gpu
from rl.domain import Rl
from rl.gpu import plan, toy
from rl.gpu import rung as gpu_rung
from rl.gpu.chosen import GpuOptions
from rl.gpu.needs import Missing
from rl.gpu.rung import Rung, TrainerFault, Unfit
from rl.reference import program
from rl.scales import ITERATIONS, SCALES
from tasks.artefacts import UriWorkspace
from tasks.contract import Failure, FailureKind, Finished, Job, Measurements, Sandbox, Trained
from tests.rl.recording import Recording
from tests.rl.test_domain import in_training

#: A user's reward that says when it is asked: the test then ends the trainer.
REWARD = """
import pathlib
def low(completions, **columns):
    with pathlib.Path(__file__).with_name("asked").open("a") as asked:
        asked.write("x")
    return [sum(letter in "01234" for letter in text) / max(1, len(text)) for text in completions]
"""


#: 1 for everything that the base model says, then nearly nothing.
FALLING = """
calls = []
def once(completions, **columns):
    calls.append(1)
    return [1.0 if len(calls) == 1 else 0.01 * (place % 2) for place in range(len(completions))]
"""


@pytest.fixture(scope="module")
def rung(tmp_path_factory: pytest.TempPathFactory) -> Rung:
    folder = tmp_path_factory.mktemp("toy")
    model, problems = toy.made(folder)
    (folder / "my_rewards.py").write_text(REWARD)
    rewards = ("math", f"{folder / 'my_rewards.py'}:low")
    options = GpuOptions(model=str(model), data=str(problems), rewards=rewards, vllm="off", parallel="none")
    return Rung(train_gpu.TOY, options, on_a_cpu=True)


@pytest.fixture
def recording(torch_sandbox: Sandbox) -> Iterator[Recording]:
    if torch_sandbox.tier == "landlock":
        pytest.skip("Landlock lets no candidate write to a pipe that it did not open")
    before = _pipe_folders()
    yield Recording(torch_sandbox)
    gone_by = time.monotonic() + 120  # another test's, beside this one, goes with its job
    while _pipe_folders() - before and time.monotonic() < gone_by:
        time.sleep(0.5)
    assert _pipe_folders() <= before  # those of killed processes may lie there


def _pipe_folders() -> set[Path]:
    return {path for path in Path("/tmp").glob("nightshift-pipes-*") if path.stat().st_uid == os.getuid()}


@pytest.mark.slow
def test_a_round_trains_in_the_sandbox_and_benchmarks_outside(rung: Rung, recording: Recording, tmp_path: Path) -> None:
    place, code = UriWorkspace(tmp_path.as_uri()), program("grpo")
    done = gpu_rung.trained(code, rung, 3, recording, place)
    assert isinstance(done, Trained), done
    assert {artefact.name for artefact in done.artefacts} == {"log.jsonl", "run.json"}
    assert done.summary["weights"] == (tmp_path / "rate-0.01" / "weights").as_uri()
    assert (tmp_path / "rate-0.01" / "weights" / "model.safetensors").exists()
    assert not list(tmp_path.glob("*/checkpoint-*"))  # of what has ended, nothing goes on
    assert "chosen_by" not in done.summary  # there was one learning rate, so nothing was chosen
    assert "memory_gb" not in done.summary  # unknown without CUDA, not a number
    (job,) = recording.jobs
    assert set(job.request) == {"folder", "count"}
    assert [path.parent.name.startswith("nightshift-pipes-") for path in job.data] == [True]
    measured = gpu_rung.measured(rung, 3, done, place)
    assert isinstance(measured, Measurements)
    assert set(measured.metrics) == {
        "accuracy", "math500/right", "early_reward", "final_reward", "learning_rate", "kl_nats", "kl_nats_per_token",
    }  # fmt: skip
    assert measured.metrics["kl_nats"] > 0.0
    assert measured.metrics["accuracy"] == 0.0  # no box in eight random letters
    assert set(Rl().features(measured)) == {"kl", "early_reward"}
    assert gpu_rung.trained(code, rung, 3, recording, place) == done
    assert len(recording.jobs) == 1
    assert gpu_rung.measured(rung, 3, done, place) == measured


@pytest.mark.slow
def test_a_trainer_that_is_killed_is_a_fault_and_the_retry_goes_on(
    rung: Rung, recording: Recording, tmp_path: Path
) -> None:
    place, asked = UriWorkspace(tmp_path.as_uri()), Path(rung.options.rewards[1].partition(":")[0]).with_name("asked")
    asked.unlink(missing_ok=True)

    def kill() -> None:
        while not (tmp_path / "rate-0.01" / "checkpoint-2" / "trainer_state.json").exists():
            time.sleep(0.01)
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                is_ours = str(tmp_path / "rate-0.01" / "run.json") in entry.read_text().split("\0")
            except OSError:
                continue
            if is_ours:
                os.kill(int(entry.parent.name), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(TrainerFault, match="the trainer ended with code"):
        gpu_rung.trained(program("grpo"), rung, 3, recording, place)
    killer.join()
    asked.unlink()
    done = gpu_rung.trained(program("grpo"), rung, 3, recording, place)
    assert isinstance(done, Trained)
    assert 0 < len(asked.read_text()) < 3  # of three generations, the first was done
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "kind", "said"),
    [
        ("return (logps_NT * float('inf')).sum()", FailureKind.INVALID, "policy_loss gave"),
        ("import os; os._exit(0)", FailureKind.CRASH, ""),
    ],
)
def test_a_candidate_that_fails_is_a_failure_and_no_fault(
    statement: str, kind: FailureKind, said: str, rung: Rung, recording: Recording, tmp_path: Path
) -> None:
    code = in_training(statement).replace("(16, 8)", "(8, 8)")
    failure = gpu_rung.trained(code, rung, 3, recording, UriWorkspace(tmp_path.as_uri()))
    assert isinstance(failure, Failure), failure
    assert failure.kind is kind, failure
    assert said in failure.reason
    assert not (tmp_path / "done.json").exists()


@pytest.mark.slow
def test_of_several_learning_rates_the_best_is_chosen_on_other_prompts(
    rung: Rung, recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "CHOOSING", 8)
    several = replace(rung, options=rung.options.model_copy(update={"learning_rates": (1e-2, 1e-6)}))
    place, code = UriWorkspace(tmp_path.as_uri()), program("grpo")
    done = gpu_rung.trained(code, several, 3, recording, place)
    assert isinstance(done, Trained), done
    rates = done.summary["rates"]
    assert list(rates) == ["0.01", "1e-06"]
    best = max(rates, key=lambda rate: rates[rate]["chosen_by"])
    other = next(rate for rate in rates if rate != best)
    assert done.summary["learning_rate"] == float(best)
    assert (tmp_path / f"rate-{best}" / "weights" / "model.safetensors").exists()
    assert not (tmp_path / f"rate-{other}" / "weights").exists()
    chosen = json.loads((tmp_path / f"rate-{best}" / "choosing.json").read_text())
    assert chosen == {"reward": rates[best]["chosen_by"], "prompts": 8}
    assert len(recording.jobs) == 2
    assert gpu_rung.trained(code, several, 3, recording, place) == done
    assert len(recording.jobs) == 2


@pytest.mark.slow
def test_a_loss_that_makes_the_reward_fall_is_given_up(rung: Rung, recording: Recording, tmp_path: Path) -> None:
    (tmp_path / "falling.py").write_text(FALLING)
    options = rung.options.model_copy(
        update={"rewards": (f"{tmp_path / 'falling.py'}:once",), "learning_rates": (1e-2, 1e-3)}
    )
    long = replace(rung, scale=replace(rung.scale, steps=20), options=options)
    assert long.scale.abort_at == 4
    folder = tmp_path / "x"
    failure = gpu_rung.trained(program("grpo"), long, 3, recording, UriWorkspace(folder.as_uri()))
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.INVALID
    assert failure.reason.startswith(
        "given up after 4 of 20 generations at the first learning rate: the mean reward went 1.00 0.0"
    )
    steps = [json.loads(line)["step"] for line in (folder / "rate-0.01" / "log.jsonl").read_text().splitlines()]
    assert len(steps) <= 0.3 * long.scale.steps * ITERATIONS
    assert len(recording.jobs) == 1  # the other learning rate is not tried
    assert gpu_rung.trained(program("grpo"), long, 3, recording, UriWorkspace(folder.as_uri())) == failure
    assert len(recording.jobs) == 1


@pytest.mark.slow
def test_in_the_sandbox_there_is_nothing_but_pipes(rung: Rung, recording: Recording, tmp_path: Path) -> None:
    if recording.tier != "bubblewrap":
        pytest.skip("without a sandbox files and /proc are open")
    model = Path(rung.options.model).parent
    search = f"import os; found = [os.path.exists(path) for path in ({str(model)!r}, {str(tmp_path)!r}, '/proc/1')]; "
    search += "raise ValueError(found)"
    code = in_training(search).replace("(16, 8)", "(8, 8)")
    failure = gpu_rung.trained(code, rung, 3, recording, UriWorkspace(tmp_path.as_uri()))
    assert isinstance(failure, Failure)
    assert failure.reason == "loss: ValueError: [False, False, False]"


class Landlock:
    tier = "landlock"

    def run(self, job: Job) -> Finished | Failure:
        raise AssertionError


def test_what_cannot_serve_is_one_line(rung: Rung, tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="need the sandbox's tier bubblewrap, found landlock: install bubblewrap"):
        gpu_rung.trained(program("grpo"), rung, 1, Landlock(), UriWorkspace(tmp_path.as_uri()))
    with pytest.raises(Unfit, match="keep checkpoints in a local folder, found s3"):
        gpu_rung.trained(program("grpo"), rung, 1, Landlock(), UriWorkspace("s3://bucket/x"))
    with pytest.raises(Unfit, match="on several machines is started by hand"):
        gpu_rung.refuse(Rung(SCALES["verify-14b"], GpuOptions()))
    with pytest.raises(Missing, match="data of your own"):
        gpu_rung.refuse(replace(rung, options=replace_data(rung.options)))


def test_a_repaired_program_does_not_go_on_where_the_broken_one_was(rung: Rung, tmp_path: Path) -> None:
    place = UriWorkspace(tmp_path.as_uri())
    (tmp_path / "loss.py").write_text(program("dapo"))
    (tmp_path / "checkpoint-2").mkdir()
    (tmp_path / "done.json").touch()
    with pytest.raises(Unfit, match="bubblewrap"):
        gpu_rung.trained(program("grpo"), rung, 1, Landlock(), place)
    assert not list(tmp_path.iterdir())
    (tmp_path / "loss.py").write_text(program("grpo"))
    (tmp_path / "checkpoint-2").mkdir()
    with pytest.raises(Unfit, match="bubblewrap"):
        gpu_rung.trained(program("grpo"), rung, 1, Landlock(), place)
    assert (tmp_path / "checkpoint-2").is_dir()


def replace_data(options: GpuOptions) -> GpuOptions:
    return options.model_copy(update={"data": ""})


def test_every_rung_has_a_named_suite() -> None:
    assert {name: Rung(scale, GpuOptions()).suite for name, scale in SCALES.items()} == {
        "one-gpu": "few", "one-gpu-1700m": "few", "explore-4b": "maths", "verify-14b": "wider",
    }  # fmt: skip


def test_no_other_user_of_the_machine_comes_to_the_pipes() -> None:
    with gpu_rung._pipes(1, is_bound=True) as pipes:
        assert pipes.parent.stat().st_mode & 0o077 == 0
        assert sorted(path.name for path in pipes.iterdir()) == ["answer-0", "ask-0"]
    assert not pipes.parent.exists()

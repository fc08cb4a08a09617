"""The trainer of the rungs on GPUs, at toy size on a CPU: interrupted and resumed it does what it does in one go."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from arch import shards, train_gpu
from arch.corpus import corpus
from arch.language.tokens import Bytes
from arch.reference import program
from arch.weights import Weights
from cognition.records import JSON

#: Each plan in turn, in one process: importing accelerate costs seconds.
SCRIPT = """
import sys
from pathlib import Path
import scale_training
for path in sys.argv[1:]:
    try:
        scale_training.train(scale_training.read(Path(path)))
    except scale_training.Diverged as error:
        print(error)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("scale")
    shards.write([corpus().train.decode()], Bytes(), made / "shards", tokens=20_000, shard_tokens=8_000)
    (made / "mixer.py").write_text(program("delta_net"))
    (made / "broken.py").write_text(program("delta_net").replace("steps=False)[0]", "steps=False)[0] * float('nan')"))
    return made


def planned(
    folder: Path, name: str, until: int | None = None, mixer: str = "mixer.py", file: str = "run.json", **more: JSON
) -> str:
    (folder / name).mkdir(exist_ok=True)
    plan = train_gpu.plan(train_gpu.TOY, folder / mixer, folder / "shards", folder / name, toy=True, until=until)
    (folder / name / file).write_text(json.dumps(plan | more))
    return str(folder / name / file)


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def run(*plans: str) -> str:
    environment = train_gpu.environment() | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, *plans]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_resumed_run_is_the_run_that_was_not_interrupted(folder: Path) -> None:
    whole = planned(folder, "whole")
    half, rest = planned(folder, "cut", until=2, file="half.json"), planned(folder, "cut", file="rest.json")
    said = run(whole, half, planned(folder, "broken", mixer="broken.py"))
    with (folder / "cut" / "log.jsonl").open("a") as lost:  # killed after a step that no checkpoint has
        lost.write('{"step": 2, "loss": 9.0}\n')
    run(rest, planned(folder, "wide", micro_batch=4))
    losses = [[record["loss"] for record in log(folder / name)] for name in ("whole", "cut")]
    assert losses[0] == losses[1]
    assert len(set(losses[0])) == 4
    assert [record["step"] for record in log(folder / "cut")] == [0, 1, 2, 3]  # no step twice
    assert [record["loss"] for record in log(folder / "wide")] == pytest.approx(
        losses[0], rel=1e-5
    )  # accumulated or not
    ends = [(folder / name / "weights.safetensors").read_bytes() for name in ("whole", "cut")]
    assert ends[0] == ends[1]
    assert Weights(ends[0]).count() == train_gpu.TOY.parameters
    kept = sorted(path.name for path in (folder / "cut").glob("checkpoint-*"))
    assert kept == ["checkpoint-00000003.safetensors", "checkpoint-00000004.safetensors"]
    assert all(record["tokens_per_s"] > 0 for record in log(folder / "whole"))
    assert {record["mfu"] for record in log(folder / "whole")} == {None}  # absent without CUDA, not a number
    assert "not a number at step 0" in said
    assert not (folder / "broken" / "weights.safetensors").exists()


def started(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "arch.train_gpu", "--program", str(folder / "mixer.py"), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_without_consent_it_says_what_is_missing_and_starts_nothing(folder: Path) -> None:
    done = started(folder, "--shards", str(folder / "shards"), "--out", str(folder / "no"))
    assert done.returncode == 1
    assert done.stdout.startswith("explore-20m: 23M parameters")
    assert done.stderr.startswith("train_gpu: by hand the program runs with your rights: ask for it")
    assert not (folder / "no").exists()


def test_without_shards_it_says_how_to_make_them(folder: Path) -> None:
    done = started(folder, "--shards", str(folder), "--out", str(folder / "no"), "--unsafe-no-sandbox")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "python -m arch.shards" in done.stderr


def test_several_gpus_are_processes_of_torchrun(tmp_path: Path) -> None:
    assert "--nproc_per_node=8" in train_gpu.command(tmp_path / "run.json", 8)
    assert train_gpu.command(tmp_path / "run.json", 1)[1] == str(train_gpu.SCRIPT)


def test_no_secret_goes_to_the_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert "secret" not in train_gpu.environment().values()


@pytest.mark.slow
def test_two_processes_and_a_compiled_model_find_the_same_losses(folder: Path) -> None:
    run(planned(folder, "one", until=3))
    for name, gpus in (("two", 2), ("compiled", 1)):
        path = planned(folder, name, until=3, compiled=name == "compiled")
        command = train_gpu.command(Path(path), gpus)
        environment = train_gpu.environment() | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == 0, done.stderr
        losses = [record["loss"] for record in log(folder / name)]
        assert losses == pytest.approx([record["loss"] for record in log(folder / "one")], rel=1e-5)


@pytest.mark.slow
def test_without_cuda_it_is_one_line(folder: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is CUDA")
    more = ("--shards", str(folder / "shards"), "--out", str(folder / "cuda"), "--unsafe-no-sandbox")
    done = started(folder, *more)
    assert done.returncode == 1
    assert done.stderr == "scale_training: no CUDA device was found; --toy runs on a CPU\n"

"""The rungs on GPUs as jobs: what goes in, and what is believed of what comes out. At toy size, or played."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from arch import exchange, scale_benchmark, scale_data, scale_leftovers, scale_train, shards
from arch.corpus import corpus
from arch.domain import Arch
from arch.exchange import WEIGHTS
from arch.language.asker import Asker, Question, Reply
from arch.language.tokens import Bytes
from arch.reference import program
from arch.scale_train import NoCuda, NotLocal
from arch.scales import SCALES, TOY
from arch.weights import Unreadable, Weights
from tasks.artefacts import UriWorkspace
from tasks.contract import Failure, FailureKind, Finished, Job, Measurements, Sandbox, Score, Trained
from tests.arch.test_measure import leaking

RUNG = "explore-20m"
FEWER = replace(TOY, steps=2)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    scale_data.make(TOY)
    return tmp_path / "home"


def place(tmp_path: Path, name: str = "step") -> UriWorkspace:
    return UriWorkspace((tmp_path / name).as_uri())


# ---- the whole way, at toy size


@pytest.mark.slow
def test_a_toy_mixer_goes_the_whole_way_and_a_retry_trains_nothing(
    home: Path, torch_sandbox: Sandbox, tmp_path: Path
) -> None:
    domain, workspace = Arch(Arch.Options(tiny=True)), place(tmp_path)
    trained = domain.train(program("delta_net"), RUNG, 3, torch_sandbox, workspace)
    assert isinstance(trained, Trained), trained
    assert domain.train("raise ValueError('was run')", RUNG, 3, torch_sandbox, workspace) == trained
    found = domain.benchmark(program("delta_net"), trained, RUNG, 3, torch_sandbox, workspace)
    assert isinstance(found, Measurements), found
    assert 4.0 < found.metrics["bits_per_byte"] < 9.0  # after four steps: little better than a guess
    assert found.metrics["validation_loss"] == pytest.approx(found.metrics["bits_per_byte"] * np.log(2.0))
    assert set(found.breakdown["documents"].values()) == {10}
    assert domain.score([found], None) == Score(0.5, None, 1)
    assert all(0.0 < value < 1.0 for value in domain.features(found).values())

    looking = leaking("x_BTD.shape[0] > 3")
    cheat = domain.benchmark(looking, trained, RUNG, 3, torch_sandbox, workspace)
    assert isinstance(cheat, Failure)
    assert cheat.kind is FailureKind.CHEATING
    assert cheat.reason.startswith("audit: ")


@pytest.mark.slow
def test_two_processes_train_in_a_network_of_their_own(home: Path, torch_sandbox: Sandbox, tmp_path: Path) -> None:
    """As several GPUs would, with gloo in the place of NCCL: torchrun, sockets, no names to look up."""
    if torch_sandbox.tier != "bubblewrap":
        pytest.skip("needs bubblewrap")
    losses = {}
    for name, processes, code in (("one", 0, "delta_net"), ("two", 2, "delta_net"), ("nan", 2, "nan")):
        run = tmp_path / name
        run.mkdir()
        job = scale_train._job(program("delta_net"), TOY, 1, scale_data.data(RUNG, TOY, "").shards, run)
        broken = job.code.replace("steps=False)[0]", "steps=False)[0] * float('nan')")
        assert isinstance(job.request, dict)
        job = replace(
            job,
            code=broken if code == "nan" else job.code,
            request=job.request | {"processes": processes},
            loopback=processes > 0,
            limits=replace(job.limits, memory_mb=4096, processes=64),
        )
        done = torch_sandbox.run(job)
        assert isinstance(done, Finished), done
        assert isinstance(done.answer, dict)
        assert done.answer["ended"] == ("diverged" if code == "nan" else "done")
        if code != "nan":
            losses[name] = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert losses["two"] == pytest.approx(losses["one"], rel=1e-5)


def test_a_toy_mixer_is_trained_in_the_sandbox(home: Path, torch_sandbox: Sandbox, tmp_path: Path) -> None:
    trained = Arch(Arch.Options(tiny=True)).train(program("delta_net"), RUNG, 3, torch_sandbox, place(tmp_path))
    assert isinstance(trained, Trained), trained
    assert trained.summary["metrics"].keys() == {"train_loss", "tokens_per_s"}
    weights = Weights.mapped(tmp_path / "step" / WEIGHTS)
    assert weights.count() == TOY.parameters
    assert (tmp_path / "step" / WEIGHTS).stat().st_uid == os.getuid()
    assert [path.name for path in (tmp_path / "step" / "run").iterdir()] == ["log.jsonl"]


@pytest.mark.slow
def test_a_toy_run_that_was_cut_off_goes_on_from_its_checkpoint(
    home: Path, torch_sandbox: Sandbox, tmp_path: Path
) -> None:
    workspace = place(tmp_path)
    run = tmp_path / "step" / "run"
    run.mkdir(parents=True)
    job = scale_train._job(program("delta_net"), TOY, 3, scale_data.data(RUNG, TOY, "").shards, run)
    assert isinstance(job.request, dict)
    assert isinstance(job.request["plan"], dict)
    job.request["plan"]["until"] = 2
    assert isinstance(torch_sandbox.run(job), Finished)
    before = (run / "log.jsonl").read_text()
    trained = Arch(Arch.Options(tiny=True)).train(program("delta_net"), RUNG, 3, torch_sandbox, workspace)
    assert isinstance(trained, Trained), trained
    assert workspace.read("log.jsonl").decode().startswith(before)  # speeds and all: not run again
    assert Weights(workspace.read(WEIGHTS)).count() == TOY.parameters
    whole = Arch(Arch.Options(tiny=True)).train(program("delta_net"), RUNG, 3, torch_sandbox, place(tmp_path, "whole"))
    assert isinstance(whole, Trained), whole
    assert place(tmp_path, "whole").read(WEIGHTS) == workspace.read(WEIGHTS)


# ---- what goes in


class Recording:
    """A sandbox that keeps its jobs and gives each the same answer."""

    tier = "none"

    def __init__(self, *results: Finished | Failure) -> None:
        self.results, self.jobs = list(results), list[Job]()

    def run(self, job: Job) -> Finished | Failure:
        self.jobs.append(job)
        return self.results.pop(0)


BAD = Failure(FailureKind.CRASH, "no")


def test_training_on_gpus_is_one_job_with_devices_shards_and_a_work_folder(tmp_path: Path) -> None:
    sandbox, scale = Recording(BAD, Finished({"gpus": 8})), SCALES["scale-1300m"]
    files = (tmp_path / "00000.bin", tmp_path / "00001.bin")
    result = scale_train.trained("code", scale, 5, files, sandbox, place(tmp_path))
    assert result == BAD
    job = sandbox.jobs[0]
    assert (job.profile, job.gpus, job.loopback, job.data) == ("gpu-train", 8, True, files)
    assert job.work == tmp_path / "step" / "run"
    assert isinstance(job.request, dict)
    plan = job.request["plan"]
    assert isinstance(plan, dict)
    assert (job.request["processes"], plan["device"], plan["precision"], plan["seed"]) == (8, "cuda", "bf16", 5)
    checkpoint_mb = 12 * scale.parameters / 2**20
    assert job.limits.work_mb > 3 * checkpoint_mb  # the newest two, and one that is being written
    assert job.limits.wall_s == scale.wall_s
    assert sandbox.jobs[1].code == ""  # after the failure: does CUDA work without a candidate?


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (
            Failure(FailureKind.CRASH, "exited with code 1"),
            "CUDA does not work inside the sandbox, without a",
        ),
        (Finished({"gpus": 0}), r"torch finds {'gpus': 0} inside the sandbox, and the job holds 1 GPUs"),
    ],
)
def test_a_gpu_that_does_not_work_is_the_machines_fault(tmp_path: Path, seen: Finished | Failure, said: str) -> None:
    with pytest.raises(NoCuda, match=said):
        scale_train.trained("", SCALES[RUNG], 1, (), Recording(BAD, seen), place(tmp_path))


def test_weights_that_are_no_numbers_are_a_failure_and_a_broken_gpu_is_not(tmp_path: Path) -> None:
    scale = replace(FEWER, gpus=1)
    step = tmp_path / "step"
    step.mkdir()
    broken = tensors()
    broken["head.weight"][0, 0] = np.nan
    (step / WEIGHTS).write_bytes(save(broken))
    found = scale_benchmark.measured("", Trained(), scale, ["text"], Recording(Finished({"gpus": 1})), place(tmp_path))
    assert isinstance(found, Failure)
    assert found.reason == "the trained weights: head.weight is not finite"
    (step / WEIGHTS).write_bytes(save(tensors()))
    with pytest.raises(NoCuda):
        scale_benchmark.measured("", Trained(), scale, ["text"], Recording(BAD, BAD), place(tmp_path))


def test_only_a_rung_on_gpus_can_be_streamed_for() -> None:
    with pytest.raises(ValueError, match=r"expected one of explore-20m, .* not laptop"):
        Arch.Options(stream_for="laptop")


def test_a_remote_store_is_refused_in_one_line() -> None:
    with pytest.raises(NotLocal, match="the artefacts are at s3://"):
        scale_train.trained("", TOY, 1, (), Recording(), UriWorkspace("s3://bucket/rounds"))


def test_weights_go_in_as_a_bound_file_and_are_asked_on_one_gpu(tmp_path: Path) -> None:
    model = scale_benchmark._model("code", SCALES["scale-1300m"], tmp_path / WEIGHTS)
    sandbox = Recording(BAD, BAD)
    exchange.states(model, [np.zeros((1, 4), np.int64)], sandbox)
    exchange.probe_model(replace(model, gpus=0), ("causality",), (97,), sandbox)
    asked, probed = sandbox.jobs
    assert (asked.profile, asked.gpus, asked.data) == ("gpu-train", 1, (tmp_path / WEIGHTS,))
    assert (probed.profile, probed.gpus, probed.data) == ("cpu-train", 0, (tmp_path / WEIGHTS,))
    assert isinstance(asked.request, dict)
    assert isinstance(probed.request, dict)
    assert asked.request["weights"] == probed.request["weights"] == {"file": str(tmp_path / WEIGHTS)}
    assert asked.request["device"] == "cuda"


def test_held_out_text_is_nowhere_in_the_shards_and_is_not_bound(home: Path) -> None:
    data = scale_data.data(RUNG, TOY, "")
    kept = "".join(data.held_out())
    assert kept in corpus().held_out.decode()
    assert data.tokens == TOY.tokens
    read = b"".join(bytes(np.fromfile(path, "<u4").astype("u1")) for path in data.shards)
    assert read.decode() in corpus().train.decode()
    assert data.folder / shards.HELD_OUT not in data.shards


def test_shards_are_made_once(home: Path) -> None:
    first = {path: path.stat().st_mtime_ns for path in scale_data.place(TOY, "").iterdir()}
    scale_data.make(TOY)
    made = {path: path.stat().st_mtime_ns for path in scale_data.place(TOY, "").iterdir()}
    assert {path: at for path, at in made.items() if path.suffix != ".lock"} == {
        path: at for path, at in first.items() if path.suffix != ".lock"
    }


def test_missing_shards_are_one_line_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arch.domain.gpu_problem", lambda gpus: "")
    domain = Arch(Arch.Options(shards=str(tmp_path)))
    with pytest.raises(scale_data.NoShards, match=r"there are 0 in .* set options.stream_for") as raised:
        domain.outlook(RUNG)
    assert "\n" not in str(raised.value)
    assert "GPU-hours" in Arch(Arch.Options(stream_for=RUNG)).outlook(RUNG)


def test_shards_without_held_out_text_are_refused(tmp_path: Path) -> None:
    shards.write(["x" * 600], Bytes(), tmp_path, tokens=TOY.tokens)
    with pytest.raises(scale_data.NoShards, match=r"has no held-out\.json"):
        scale_data.data(RUNG, TOY, str(tmp_path))


# ---- what comes out


def tensors(scale: Any = FEWER, mixer: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, Any]:
    found = {name: np.zeros(shape, np.float32) for name, shape in scale_leftovers.trunk_tensors(scale).items()}
    for number in range(scale.n_layers):
        for name, shape in (mixer or {"w": (2, 2)}).items():
            found[f"blocks.{number}.mixer.{name}"] = np.zeros(shape, np.float32)
    return found


def changed(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda found: found.__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed("other", np.zeros(1, np.float32)), "tensor 'other', F32 of shape (1,), is not part of the model"),
        (changed("blocks.7.mixer.w", np.zeros(1, np.float32)), "'blocks.7.mixer.w', F32 of shape (1,), is not part"),
        (changed("norm", np.zeros(TOY.d_model, np.float64)), "tensor 'norm', F64 of shape (32,), is not part"),
        (changed("norm", np.zeros(3, np.float32)), "tensor 'norm', F32 of shape (3,), is not part of the model"),
        (lambda found: found.pop("head.weight"), "tensor 'head.weight' is missing"),
        (changed("blocks.1.mixer.more", np.zeros(1, np.float32)), "the blocks' mixers do not have the same tensors"),
        (changed("blocks.0.mixer.w", np.zeros(10**6, np.float32)), "bytes, which no model of this rung has"),
    ],
)
def test_weights_that_are_not_exactly_a_model_are_refused(change: Callable[[dict[str, Any]], Any], said: str) -> None:
    scale = replace(FEWER, n_layers=2)
    scale_leftovers.exact(Weights(save(tensors(scale))), scale)
    found = tensors(scale)
    change(found)
    with pytest.raises(Unreadable) as raised:
        scale_leftovers.exact(Weights(save(found)), scale)
    assert said in str(raised.value)


RECORD = {"step": 0, "loss": 2.0, "learning_rate": 0.1, "tokens_per_s": 10.0, "mfu": None, "memory_gb": None}


def lines(*records: Mapping[str, Any]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def left(run: Path, log: bytes = lines(RECORD, {**RECORD, "step": 1, "loss": 1.0})) -> Path:
    run.mkdir(parents=True)
    (run / "log.jsonl").write_bytes(log)
    (run / WEIGHTS).write_bytes(save(tensors()))
    return run


def outcome(tmp_path: Path, answer: Any = None) -> Trained | Failure:
    answer = {"ended": "done", "said": ""} if answer is None else answer
    return scale_train.trained("", FEWER, 1, (), Recording(Finished(answer)), place(tmp_path))


def test_a_run_is_kept_with_what_its_log_says(tmp_path: Path) -> None:
    run = left(tmp_path / "step" / "run")
    (run / "checkpoint-00000002.safetensors").write_bytes(b"")
    trained = outcome(tmp_path)
    assert isinstance(trained, Trained), trained
    assert trained.summary["metrics"] == {"train_loss": 1.0, "tokens_per_s": 10.0}
    assert [each.name for each in trained.artefacts] == [WEIGHTS, "log.jsonl"]
    assert not (run / WEIGHTS).exists()
    assert not list(run.glob("checkpoint-*"))


def test_memory_and_utilisation_are_metrics_where_they_are_known() -> None:
    told = scale_leftovers.records(
        lines({**RECORD, "mfu": 0.1, "memory_gb": 1.0}, {**RECORD, "step": 1, "mfu": 0.3, "memory_gb": 2.0}), FEWER
    )
    assert scale_leftovers.metrics(told) == {"train_loss": 2.0, "tokens_per_s": 10.0, "memory_gb": 2.0, "mfu": 0.3}


def link(run: Path, name: str, target: str) -> None:
    (run / name).unlink()
    (run / name).symlink_to(target)


def pipe(run: Path) -> None:
    (run / "log.jsonl").unlink()
    os.mkfifo(run / "log.jsonl")


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights are a link": (lambda run: link(run, WEIGHTS, "/etc/passwd"), "weights.safetensors: "),
    "log is a link": (lambda run: link(run, "log.jsonl", "/etc/passwd"), "log.jsonl: "),
    "log is a pipe": (pipe, "log.jsonl is no plain file"),
    "weights have two names": (lambda run: os.link(run / WEIGHTS, run / "other"), "has another name"),
    "weights are empty": (lambda run: (run / WEIGHTS).write_bytes(b""), "the file is empty"),
    "no weights": (lambda run: (run / WEIGHTS).unlink(), "weights.safetensors: No such file"),
    "log too short": (lambda run: (run / "log.jsonl").write_bytes(lines(RECORD)), "has 1 records, expected one for"),
    "no number": (
        lambda run: (run / "log.jsonl").write_bytes(lines(RECORD, {**RECORD, "loss": "low"})),
        "loss of line",
    ),
    "not finite": (
        lambda run: (run / "log.jsonl").write_bytes(lines(RECORD, {**RECORD, "step": 1, "loss": float("nan")})),
        "loss of line 2 is no finite number",
    ),
    "wrong step": (lambda run: (run / "log.jsonl").write_bytes(lines(RECORD, RECORD)), "line 2 is not of step 1"),
    "no record": (lambda run: (run / "log.jsonl").write_bytes(b"[]\n[]\n"), "line 1 is no record of a step"),
    "deep": (lambda run: (run / "log.jsonl").write_bytes(b"[" * 100_000 + b"\n1\n"), "line 1 is no record of a step"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_hostile_job_left_is_a_failure_and_is_not_followed(tmp_path: Path, name: str) -> None:
    change, said = HOSTILE[name]
    change(left(tmp_path / "step" / "run"))
    failure = outcome(tmp_path)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.INVALID
    assert said in failure.reason
    assert not (tmp_path / "step" / WEIGHTS).exists()
    assert not (tmp_path / "step" / "trained.json").exists()


@pytest.mark.parametrize("answer", [1, {}, {"ended": "done"}, {"ended": "diverged", "said": "not a number at step 1"}])
def test_an_answer_that_says_nothing_and_a_loss_that_is_no_number_are_failures(tmp_path: Path, answer: Any) -> None:
    left(tmp_path / "step" / "run")
    failure = outcome(tmp_path, answer)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.INVALID


# ---- the validation loss


class Constant(Asker):
    """Each token that is asked for is as likely as `nats` says."""

    def __init__(self, nats: float) -> None:
        super().__init__(lambda _: [], np.zeros((256, 4)), 0.05)
        object.__setattr__(self, "nats", nats)
        object.__setattr__(self, "asked", list[Question]())

    def replies(self, questions: Any) -> list[Reply]:
        self.asked.extend(questions)  # type: ignore[attr-defined]  # set above
        return [Reply(-self.nats * each.asked, False) for each in questions]  # type: ignore[attr-defined]  # as above


def test_the_validation_loss_counts_every_token_once() -> None:
    asked = Constant(np.log(256.0))
    found = scale_benchmark.validation(asked, Bytes(), ["x" * 70, "é"], TOY)
    assert isinstance(found, dict)
    assert found["validation_loss"] == pytest.approx(np.log(256.0))
    assert found["bits_per_byte"] == pytest.approx(8.0)
    assert [(len(each.tokens), each.asked) for each in asked.asked] == [(33, 32), (33, 32), (7, 6), (3, 2)]  # type: ignore[attr-defined]  # set above


@pytest.mark.parametrize(("nats", "kind"), [(0.1, FailureKind.CHEATING), (float("inf"), FailureKind.INVALID)])
def test_a_validation_loss_that_cannot_be_is_a_failure(nats: float, kind: FailureKind) -> None:
    found = scale_benchmark.validation(Constant(nats), Bytes(), ["some text"], TOY)
    assert isinstance(found, Failure)
    assert found.kind is kind

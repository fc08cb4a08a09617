"""The rung `gpu` on a machine that is made up. No time here is a measurement; what needs a GPU is marked so."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows import config, registry
from flows.forecast import before_start
from flows.home import open_home
from problems.triton_kernel import catalogue
from problems.triton_kernel import exchange as laptop
from problems.triton_kernel.domain import NoTimes, TritonKernel
from problems.triton_kernel.gpu import cases, plans, rung, verdicts
from problems.triton_kernel.gpu.exchange import CANDIDATE, SEED, Setting
from problems.triton_kernel.gpu.rung import GpuFault, NoGpu, Rung
from tasks.artefacts import UriWorkspace
from tasks.contract import (
    Cost,
    Failure,
    FailureKind,
    Finished,
    Job,
    Limits,
    Measurements,
    Sandbox,
    Score,
    Trained,
    gpu_problem,
)
from tasks.sandbox import open_sandbox
from tests.problems.triton_kernel.made_up import MadeUp, answer, jobs
from tests.problems.triton_kernel.test_zoo import programs

CAMPAIGN = Path(__file__).parents[3] / "campaigns/triton-kernel-gpu.toml"
NORM = catalogue.operation("add_rms_norm")
TINY = Rung(NORM, cases.timed(NORM, tiny=True), 12, 90, tiny=True)
CODE = "a program"
INVALID, CHEATING = FailureKind.INVALID, FailureKind.CHEATING
OPTIONS = {"tiny": True, "rounds": 12, "fitness": "speedup"}


def domain(**more: object) -> TritonKernel:
    return TritonKernel(TritonKernel.Options.model_validate({**OPTIONS, **more}))


# ---- before anything is spent


@pytest.fixture
def no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rung, "gpu_problem", lambda gpus: gpu_problem(gpus, tmp_path))


@pytest.fixture
def a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rung, "gpu_problem", lambda gpus: "")
    monkeypatch.setattr(rung, "torch_problem", lambda version: "")


@pytest.mark.usefixtures("no_gpu")
def test_the_campaign_refuses_in_one_line_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path))
    settings = config.load(str(CAMPAIGN), {})
    chosen = registry.load(settings.problem, settings.options)
    assert chosen.brief().metric == "speedup"
    with pytest.raises(NoGpu, match=r"1 GPU is needed, and this machine has none .*nothing is estimated") as raised:
        before_start(settings, chosen, open_home())
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("no_gpu")
def test_training_there_is_refused_and_never_a_score(tmp_path: Path) -> None:
    with pytest.raises(NoGpu):
        domain().train(CODE, "gpu", 1, None, UriWorkspace(tmp_path.as_uri()))  # type: ignore[arg-type]  # not reached


def test_a_torch_without_cuda_is_named_before_anything_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rung, "gpu_problem", lambda gpus: "")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0+cpu")
    with pytest.raises(NoGpu, match=r"torch 2\.13\.0\+cpu is built without CUDA; the rung `gpu`"):
        domain().outlook("gpu")


@pytest.mark.usefixtures("a_gpu")
def test_what_will_be_measured_is_said_with_its_versions() -> None:
    said = domain(tiny=False).outlook("gpu")
    assert "4096 x 4096 bfloat16, 16384 x 1000 float16, 4096 x 2048 float32" in said
    assert "compute capability 9.0, triton 3" in said
    assert "never run on a GPU yet" in said


def test_a_rung_without_times_is_no_place_for_speed_ups() -> None:
    with pytest.raises(NoTimes, match=r"set evaluate\.rung = 'gpu'"):
        domain().outlook("laptop")
    assert "no time is measured" in domain(fitness="traffic_efficiency").outlook("laptop")


def test_a_gpu_is_asked_for_where_times_are_taken() -> None:
    assert domain().needs("train", "gpu").gpus == 1
    assert domain().needs("benchmark", "gpu").gpus == 0
    assert domain().needs("train", "laptop").gpus == 0


def test_the_researcher_is_told_what_counts() -> None:
    brief = domain(tiny=False).brief()
    assert "as fast as possible on a GPU" in brief.goal
    assert "speed-ups over the seed" in brief.prompt_notes
    assert "few bytes" in TritonKernel().brief().goal


# ---- what is believed: a workspace as jobs leave it, and then something is false


Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def setting() -> Setting:
    return TINY.setting(CODE, 7)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("honest")
    jobs(TINY.setting(CODE, 7), UriWorkspace(folder.as_uri()))
    return folder


@pytest.fixture
def workspace(honest: Path, tmp_path: Path) -> UriWorkspace:
    shutil.copytree(honest, tmp_path, dirs_exist_ok=True)
    return UriWorkspace(tmp_path.as_uri())


def change(workspace: UriWorkspace, name: str, how: Change) -> None:
    told = json.loads(workspace.read(f"{name}.json"))
    how(told)
    workspace.write(f"{name}.json", json.dumps(told).encode())


def refused(workspace: UriWorkspace) -> Failure:
    found = rung.benchmark(CODE, 7, TINY, workspace)
    assert isinstance(found, Failure), found
    return found


def test_honest_jobs_give_the_speed_up_with_its_interval(workspace: UriWorkspace) -> None:
    found = rung.benchmark(CODE, 7, TINY, workspace)
    assert not isinstance(found, Failure), found
    metrics, breakdown, said = found
    assert metrics["speedup_low"] <= metrics["speedup"] <= metrics["speedup_high"]
    assert metrics["speedup"] == pytest.approx(3.0)
    assert metrics["speedup_over_eager"] == pytest.approx(2.0)
    assert metrics["time_us"] == pytest.approx(1000.0, rel=0.01)
    assert set(breakdown) == {"square", "narrow", "exact"}
    assert said.startswith("made up, torch 2, 12 rounds")
    floor_ms = [NORM.floor_bytes(case) / 1e6 for case in cases.timed(NORM, tiny=True)]
    assert metrics["floor_fraction"] == pytest.approx(np.prod(floor_ms) ** (1 / 3), rel=0.01)


def case(told: dict[str, Any], number: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = told["answer"]["cases"][number]
    return found


def set_time(name: str, at: int, took: Any) -> Change:
    return lambda told: case(told)["times"][name].__setitem__(at, took)


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        (set_time(CANDIDATE, 3, [1e-9, 1.0]), CHEATING, "needs .* to read the inputs once: the time is false"),
        (set_time(CANDIDATE, 3, [50.0, 1.0]), CHEATING, "longer on the device than the clock of the host"),
        (set_time(CANDIDATE, 3, [1.0, 1e6]), CHEATING, "the whole job ran for 60.0 s"),
        (set_time(CANDIDATE, 3, [float("nan"), 1.0]), INVALID, "finite number above 0"),
        (set_time(CANDIDATE, 3, [0.0, 1.0]), INVALID, "finite number above 0"),
        (set_time(CANDIDATE, 3, [-1.0, 1.0]), INVALID, "finite number above 0"),
        (set_time(CANDIDATE, 3, ["1", 1.0]), INVALID, "finite number above 0"),
        (set_time(CANDIDATE, 3, [True, 1.0]), INVALID, "finite number above 0"),
        (set_time(CANDIDATE, 3, [1.0]), INVALID, "a time on the device and one on the host"),
        (lambda told: case(told)["times"][CANDIDATE].pop(), INVALID, "times of 12 rounds"),
        (lambda told: case(told)["times"].pop(CANDIDATE), INVALID, "expected candidate, eager, seed"),
        (lambda told: told["answer"]["cases"].pop(), INVALID, "expected 3 cases"),
        (lambda told: told.update(answer="done"), INVALID, "expected cases, device"),
        (lambda told: case(told)["faults"][CANDIDATE].update(unwritten=5), INVALID, "5 elements of its outputs"),
        (lambda told: case(told)["faults"][CANDIDATE].update(changed=2), INVALID, "2 elements of its inputs"),
        (lambda told: case(told)["faults"][CANDIDATE].update(outside=1), INVALID, "outside of the tensors"),
        (lambda told: case(told)["faults"][SEED].update(outside=1), INVALID, "seed: 1 elements outside"),
        (lambda told: case(told)["faults"][CANDIDATE].update(outside=-1), INVALID, "faults are counted"),
        (lambda told: told["answer"]["device"].update(name="another"), INVALID, "named another GPU"),
        (
            lambda told: case(told)["times"].update(seed=[[9.0, 9.5]] * 12),
            INVALID,
            "seed took 9000.0 us beside this program, and 3004.5 and 3004.5 us in processes without it",
        ),
        (lambda told: case(told)["times"].update(eager=[[0.5, 9.5]] * 12), INVALID, "eager took 500.0 us beside"),
    ],
)  # fmt: skip
def test_what_is_said_beside_a_candidate_is_not_believed(
    how: Change, kind: FailureKind, words: str, workspace: UriWorkspace
) -> None:
    change(workspace, rung.BESIDE, how)
    found = refused(workspace)
    assert found.kind == kind
    assert re.search(words, found.reason), found


@pytest.mark.parametrize("contestant", [CANDIDATE, SEED])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_wrong_element_in_one_round_is_seen(
    contestant: str, number: int, setting: Setting, workspace: UriWorkspace
) -> None:
    name = f"{rung.BESIDE}-rows-{number}.bin"
    content = bytearray(workspace.read(name))
    place = ["candidate", "eager", "seed"].index(contestant)
    size = setting.record_bytes(setting.cases[number])
    end = size * (8 * 3 + place + 1)  # round 8; the last tensor is an output
    content[end - 1] ^= 0x40
    workspace.write(name, bytes(content))
    found = refused(workspace)
    assert (found.kind, f"{contestant}, round 8: 1 of" in found.reason) == (INVALID, True), found


@pytest.mark.parametrize("contestant", [CANDIDATE, SEED])
def test_odd_sizes_are_checked_on_the_gpu_too(contestant: str, workspace: UriWorkspace) -> None:
    name = f"{rung.BESIDE}-checked-{contestant}.bin"
    content = bytearray(workspace.read(name))
    content[-1] ^= 0x40  # behind the last tensor of the last case
    workspace.write(name, bytes(content))
    found = refused(workspace)
    assert f"{contestant}, on the GPU, zero rows" in found.reason
    assert "1 elements outside of the tensors were written" in found.reason


def test_inputs_of_another_call_are_not_taken(setting: Setting, workspace: UriWorkspace) -> None:
    """A right answer to an old question."""
    name, size = f"{rung.BESIDE}-rows-0.bin", setting.record_bytes(setting.cases[0])
    content = bytearray(workspace.read(name))
    content[3 * size : 4 * size] = content[:size]
    workspace.write(name, bytes(content))
    assert "candidate, round 1: its input x is not what was drawn" in refused(workspace).reason


@pytest.mark.parametrize("name", [rung.ALONE_BEFORE, rung.BESIDE, rung.ALONE_AFTER])
def test_missing_rows_are_no_times(name: str, workspace: UriWorkspace) -> None:
    file = f"{name}-rows-2.bin"
    workspace.write(file, workspace.read(file)[:-1])
    if name == rung.BESIDE:
        assert "exact: the rows of 12 rounds are not all there" in refused(workspace).reason
    else:
        with pytest.raises(GpuFault, match="without a candidate gave no times"):
            rung.benchmark(CODE, 7, TINY, workspace)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (lambda told: case(told)["times"].update(seed=[[3.5, 9.0]] * 12), "the GPU is not steady: seed took 3004.5 us"),
        (lambda told: case(told)["faults"][SEED].update(unwritten=1), "without a candidate gave a wrong answer"),
        (lambda told: told["answer"]["device"].update(name="other"), "two GPUs took part: made up and other"),
        (lambda told: told["answer"].pop("cases"), "without a candidate gave no times"),
    ],
)
def test_what_is_wrong_without_a_candidate_is_the_machines(how: Change, words: str, workspace: UriWorkspace) -> None:
    change(workspace, rung.ALONE_AFTER, how)
    with pytest.raises(GpuFault, match=words):
        rung.benchmark(CODE, 7, TINY, workspace)


def test_a_seed_that_is_slower_beside_a_candidate_gives_it_nothing(workspace: UriWorkspace) -> None:
    change(workspace, rung.BESIDE, lambda told: case(told)["times"].update(seed=[[3.6, 9.0]] * 12))
    found = rung.benchmark(CODE, 7, TINY, workspace)
    assert not isinstance(found, Failure), found
    narrow: Any = found[1]["narrow"]
    assert narrow["seed_time_us"] == pytest.approx(3600.0)
    assert narrow["speedup"] == pytest.approx(3.0, rel=0.01)


def test_inputs_and_rows_are_others_for_each_program_seed_and_call(setting: Setting) -> None:
    others = [TINY.setting(CODE, 8), TINY.setting("another", 7)]
    found = {
        verdicts._inputs(setting.cases[0], (each.seed, 0, 1, 0), each)["x"].tobytes() for each in (setting, *others)
    }
    found |= {
        verdicts._inputs(setting.cases[0], (setting.seed, 0, *call), setting)["x"].tobytes()
        for call in ((2, 0), (1, 1))
    }
    assert len(found) == 5


def test_scores_of_times_have_the_error_of_their_interval() -> None:
    one = Measurements({"speedup": 2.0, "speedup_low": 1.9, "speedup_high": 2.1, "traffic_efficiency": 0.5})
    score = domain().score([one, one], None)
    assert isinstance(score, Score)
    assert score.fitness == 2.0
    assert score.standard_error == pytest.approx(0.1 / 2.394 / np.sqrt(2.0), rel=1e-3)
    untimed = replace(one, metrics={"traffic_efficiency": 0.5})
    mixed = domain().score([one, untimed], None)
    assert isinstance(mixed, Failure)
    assert "no speedup" in mixed.reason
    assert domain(fitness="traffic_efficiency").score([one, untimed], None) == Score(0.5, None, 2)
    assert domain(fitness="traffic_efficiency").deterministic
    assert not domain().deterministic


# ---- whose fault a failing job is


class Scripted:
    """A sandbox whose timing jobs are honest, but for some that fail."""

    tier = "none"
    another = False  # GPU

    def __init__(self, setting: Setting, fails: set[int]) -> None:
        self.setting, self.fails, self.number = setting, fails, 0

    def run(self, job: Job) -> Finished | Failure:
        assert isinstance(job.request, dict)
        assert isinstance(job.request["programs"], dict)
        self.number += 1
        assert job.request["capability"] == 90
        if self.number in self.fails:
            return Failure(FailureKind.CRASH, "an illegal memory access")
        said, files = answer(self.setting, tuple(job.request["programs"]))
        if self.another:
            said, files = {"device": {**said["device"], "capability": 80}, "cases": []}, {}
        return Finished(said, files=files, cost=Cost(cpu_s=2.0, wall_s=60.0, peak_memory_mb=10.0))


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    plan: plans.Plan = {"kernels": [], "binaries": [], "plans": []}
    monkeypatch.setattr(plans, "recorded", lambda *arguments: (plan, Cost(cpu_s=1.0)))


def trained(setting: Setting, fails: set[int], folder: Path) -> Any:
    return rung.train(CODE, 7, TINY, Limits(), Scripted(setting, fails), UriWorkspace(folder.as_uri()))


@pytest.mark.usefixtures("recorded")
def test_honest_jobs_are_kept_and_paid_for(setting: Setting, tmp_path: Path) -> None:
    artefacts, cost, _ = trained(setting, set(), tmp_path)
    assert [artefact.name for artefact in artefacts] == ["alone-before.json", "beside.json", "alone-after.json"]
    rows = [f"{name}-rows-{number}.bin" for name in ("alone-before", "beside", "alone-after") for number in range(3)]
    assert len(list(tmp_path.iterdir())) == 3 + len(rows) + 3 + 1  # and the seed's memory; once the candidate's
    assert all((tmp_path / name).exists() for name in rows)
    assert (cost.cpu_s, cost.gpu_s, cost.peak_memory_mb) == (7.0, 180.0, 10.0)


@pytest.mark.usefixtures("recorded")
def test_a_failure_is_the_programs_only_if_the_gpu_works_without_it(setting: Setting, tmp_path: Path) -> None:
    found = trained(setting, {2, 3}, tmp_path)
    assert found == Failure(FailureKind.CRASH, "its kernels failed on the GPU: an illegal memory access")
    for fails in ({1}, {2, 3, 4}, {3}):
        with pytest.raises(GpuFault, match="does not work on this GPU, without a candidate in the job: an illegal"):
            trained(setting, fails, tmp_path)


@pytest.mark.usefixtures("recorded")
def test_a_failure_beside_a_program_that_does_not_come_again_is_nobodys(setting: Setting, tmp_path: Path) -> None:
    artefacts, _, _ = trained(setting, {2}, tmp_path)
    assert [artefact.name for artefact in artefacts] == ["alone-before.json", "beside.json", "alone-after.json"]


def test_a_machine_that_does_not_record_the_seed_is_to_blame(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "recorded", lambda *arguments: Failure(FailureKind.INVALID, "ptxas is missing"))
    with pytest.raises(GpuFault, match=r"the seed program's launches cannot be recorded here: ptxas is missing"):
        trained(setting, set(), tmp_path)


@pytest.mark.usefixtures("recorded")
def test_another_gpu_is_named_before_anything_is_timed(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scripted, "another", True)
    with pytest.raises(NoGpu, match=r"made up has compute capability 8\.0.*set options\.compute_capability = 80"):
        trained(setting, set(), tmp_path)


@pytest.mark.usefixtures("a_gpu")
def test_a_wrong_program_does_not_reach_the_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, wrong = domain(), Failure(FailureKind.INVALID, "wrong in the interpreter")
    monkeypatch.setattr(TritonKernel, "_counted", lambda *arguments: wrong)
    ran = laptop.Ran(b"", b"", (), [], "", Cost())
    monkeypatch.setattr(laptop, "run", lambda *arguments: ran)
    sandbox = Scripted(TINY.setting(CODE, 1), {1})
    assert chosen.train(CODE, "gpu", 1, sandbox, UriWorkspace(tmp_path.as_uri())) == wrong
    assert sandbox.number == 0


# ---- the whole way, in the interpreter, with a clock that is made up


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Its tier shows /proc and /sys as jobs with GPUs see them: torch asks there how to convert numbers."""
    scratch = tmp_path_factory.mktemp("scratch")
    with open_sandbox(scratch, tier="unsafe", unsafe=True, preload=TritonKernel.preload) as sandbox:
        yield sandbox


@pytest.mark.slow
@pytest.mark.usefixtures("a_gpu")
def test_a_fused_kernel_goes_the_whole_way(real: Sandbox, tmp_path: Path) -> None:
    sandbox, chosen = MadeUp(real, tmp_path / "played"), domain()
    code = programs(chosen.brief(), "one_launch_held", "one_row")
    workspace = UriWorkspace((tmp_path / "step").as_uri())
    trained = chosen.train(code, "gpu", 3, sandbox, workspace)
    assert isinstance(trained, Trained), trained
    assert trained.cost.gpu_s > 0.0
    assert '"name": "held_kernel"' in trained.logs
    found = chosen.benchmark(code, trained, "gpu", 3, sandbox, workspace)
    assert isinstance(found, Measurements), found
    assert found.metrics["speedup"] == pytest.approx(3.0, rel=0.02)  # three launches against one
    assert found.metrics["launches"] == 1.0
    score = chosen.score([found], None)
    assert isinstance(score, Score)
    assert [sorted(job.request["programs"]) for job in sandbox.timed if isinstance(job.request, dict)] == [
        [SEED], [CANDIDATE, SEED], [SEED],
    ]  # fmt: skip


LAZY = ("    M, N = x.shape\n", "    M, N = x.shape\n    M = M - 1 if N == 64 else M\n")


@pytest.mark.slow
@pytest.mark.usefixtures("a_gpu")
def test_a_program_that_skips_a_row_where_it_is_timed_is_found(real: Sandbox, tmp_path: Path) -> None:
    sandbox, chosen = MadeUp(real, tmp_path / "played"), domain()
    code = chosen.brief().seed_program.replace(*LAZY)
    assert chosen.check(code) == []
    workspace = UriWorkspace((tmp_path / "step").as_uri())
    trained = chosen.train(code, "gpu", 3, sandbox, workspace)
    assert isinstance(trained, Trained), trained
    found = chosen.benchmark(code, trained, "gpu", 3, sandbox, workspace)
    assert isinstance(found, Failure), found
    assert "square: candidate: 1920 elements of its outputs were not written" in found.reason  # 15 rounds, two outputs


# ---- on a GPU, by whoever has one


@pytest.mark.gpu
@pytest.mark.parametrize("operation", sorted(catalogue.OPERATIONS))
def test_the_seed_is_as_fast_as_itself_on_a_gpu(operation: str, tmp_path: Path) -> None:
    chosen = TritonKernel(TritonKernel.Options.model_validate({"operation": operation, "fitness": "speedup"}))
    code, workspace = chosen.brief().seed_program, UriWorkspace((tmp_path / "step").as_uri())
    with open_sandbox(tmp_path / "scratch", preload=TritonKernel.preload) as sandbox:
        trained = chosen.train(code, "gpu", 1, sandbox, workspace)
        assert isinstance(trained, Trained), trained
        found = chosen.benchmark(code, trained, "gpu", 1, sandbox, workspace)
    assert isinstance(found, Measurements), found
    assert found.metrics["speedup"] == pytest.approx(1.0, abs=0.05)
    assert 0.05 < found.metrics["floor_fraction"] < 1.3

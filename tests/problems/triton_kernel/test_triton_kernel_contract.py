"""The contract suite over triton_kernel, with few rows: what it checks is the path, not the scores."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest

from problems.triton_kernel import catalogue, cheats, scoring
from problems.triton_kernel.domain import NoGpuProfile, TritonKernel
from tasks.contract import Domain, Failure, FailureKind, Measurements, Sandbox, Score, Trained, Workspace
from tasks.sandbox import open_sandbox
from tests.contract_suite import BadProgram, DomainContract

CHECK = frozenset({FailureKind.CHECK})
INVALID = frozenset({FailureKind.INVALID})
SEED = catalogue.seed("add_rms_norm")
WRONG, HIDDEN = cheats.wrong(SEED), cheats.hidden(SEED)


class TestTritonKernelContract(DomainContract):
    ceiling: ClassVar[float | None] = 1.0
    bad_programs: ClassVar[Mapping[str, BadProgram]] = {
        "no launch": BadProgram("x = 1\n", CHECK),
        "torch does the work": BadProgram(HIDDEN["lets torch do the work"], CHECK),
        "leaves the tail unwritten": BadProgram(WRONG["leaves the tail unwritten"], INVALID),
        "launches nothing": BadProgram(WRONG["launches nothing"], INVALID),
        "raises": BadProgram(WRONG["asks for one dtype only"], frozenset({FailureKind.CRASH})),
    }
    liars: ClassVar[Mapping[str, str]] = {
        "prints a forged result": HIDDEN["prints a forged result"],
        "clears the counts": HIDDEN["clears the counts"],
    }

    @pytest.fixture
    def domain(self) -> Domain:
        return TritonKernel(TritonKernel.Options(tiny=True))

    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
        scratch = tmp_path_factory.mktemp("scratch")
        with open_sandbox(scratch, unsafe=True, preload=TritonKernel.preload) as sandbox:
            yield sandbox

    def test_the_score_does_not_depend_on_the_inputs(
        self, domain: Domain, sandbox: Sandbox, workspace: Workspace
    ) -> None:
        rung = domain.rungs[0]
        scores, errors = set(), set()
        for seed in (1, 2):
            trained = domain.train(SEED, rung, seed, sandbox, workspace)
            assert isinstance(trained, Trained), trained
            measured = domain.benchmark(SEED, trained, rung, seed, sandbox, workspace)
            assert isinstance(measured, Measurements), measured
            score = domain.score([measured], None)
            assert isinstance(score, Score)
            scores.add(score.fitness)
            errors.add(measured.metrics["largest_error"])
        assert (len(scores), len(errors)) == (1, 2)

    def test_no_time_is_measured_and_the_gpu_rung_says_why(
        self, domain: Domain, sandbox: Sandbox, workspace: Workspace
    ) -> None:
        with pytest.raises(NoGpuProfile, match=r"no profile gpu-train yet.*benchmarks\.triton_kernel"):
            domain.outlook("gpu")
        with pytest.raises(NoGpuProfile, match="no profile gpu-train yet"):
            domain.train(SEED, "gpu", 1, sandbox, workspace)
        assert "no time is measured" in domain.outlook("laptop")
        trained = domain.train(SEED, "laptop", 1, sandbox, workspace)
        assert isinstance(trained, Trained)
        measured = domain.benchmark(SEED, trained, "laptop", 1, sandbox, workspace)
        assert isinstance(measured, Measurements)
        assert set(measured.metrics) == {*scoring.METRICS, "largest_error"}

    def test_counts_below_the_floor_are_cheating(self, domain: Domain, sandbox: Sandbox, workspace: Workspace) -> None:
        trained = domain.train(SEED, "laptop", 1, sandbox, workspace)
        assert isinstance(trained, Trained)
        counted = json.loads(workspace.read("counts.json"))
        counted[0] = [{**launch, "loaded_bytes": 100} for launch in counted[0]]
        workspace.write("counts.json", json.dumps(counted).encode())
        forged = domain.benchmark(SEED, trained, "laptop", 1, sandbox, workspace)
        assert isinstance(forged, Failure)
        assert forged.kind == FailureKind.CHEATING

"""The contract suite over triton_kernel, with few rows: what it checks is the path, not the scores."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest

from problems.triton_kernel import catalogue, cheats, exchange, scoring
from problems.triton_kernel.domain import TritonKernel
from tasks.contract import Domain, Failure, FailureKind, MachineFault, Measurements, Sandbox, Score, Trained, Workspace
from tasks.sandbox import open_sandbox
from tests.contract_suite import BadProgram, DomainContract

CHECK = frozenset({FailureKind.CHECK})
INVALID = frozenset({FailureKind.INVALID})
SEED = catalogue.seed("add_rms_norm")
#: Python's way of leaving a loop, which no compiled kernel has.
ONLY_INTERPRETED = SEED.replace(
    "    total = tl.zeros((BLOCK,), dtype=tl.float32)\n",
    "    total = tl.zeros((BLOCK,), dtype=tl.float32)\n    while True:\n        break\n",
)
WRONG, HIDDEN = cheats.wrong(SEED), cheats.hidden(SEED)


class TestTritonKernelContract(DomainContract):
    ceiling: ClassVar[float | None] = 1.0
    bad_programs: ClassVar[Mapping[str, BadProgram]] = {
        "no launch": BadProgram("x = 1\n", CHECK),
        "torch does the work": BadProgram(HIDDEN["lets torch do the work"], CHECK),
        "leaves the tail unwritten": BadProgram(WRONG["leaves the tail unwritten"], INVALID),
        "runs in the interpreter only": BadProgram(ONLY_INTERPRETED, CHECK),
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

    @pytest.mark.slow
    def test_what_only_the_interpreter_can_run_is_named(self, domain: Domain, sandbox: Sandbox) -> None:
        assert domain.check(ONLY_INTERPRETED) == []
        assert [issue.rule for issue in domain.probe(ONLY_INTERPRETED, sandbox)] == ["compile"]
        assert "inverse_rms_kernel" in domain.probe(ONLY_INTERPRETED, sandbox)[0].message

    @pytest.mark.slow
    @pytest.mark.parametrize("size", [2, 4])
    def test_every_type_that_is_measured_is_compiled(self, domain: Domain, sandbox: Sandbox, size: int) -> None:
        first = "    M, N = x.shape\n"
        hidden = f"{first}    if x.element_size() == {size}:\n        other_kernel[(1,)](x)\n"
        kernel = "@triton.jit\ndef other_kernel(x_ptr):\n    while True:\n        break\n\n\ndef launch"
        code = SEED.replace(first, hidden).replace("def launch", kernel)
        assert domain.check(code) == []
        assert "other_kernel" in domain.probe(code, sandbox)[0].message

    def test_a_machine_that_cannot_compile_is_to_blame(
        self, domain: Domain, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exchange, "compiled", lambda *arguments: "kernel: ptxas is missing")
        with pytest.raises(MachineFault, match=r"the seed program does not compile here.*ptxas is missing"):
            domain.probe(SEED, sandbox)

    @pytest.mark.slow
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

    @pytest.mark.slow
    def test_no_time_is_measured_on_a_laptop(self, domain: Domain, sandbox: Sandbox, workspace: Workspace) -> None:
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

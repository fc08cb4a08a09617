"""What the engine relies on, as tests that every domain has to pass.

Derive a class from `DomainContract` in a test module of your own, name the domain, and say which programs are bad:

    class TestMyDomain(DomainContract):
        bad_programs = {"raises": BadProgram("def pack(...): ...", frozenset({FailureKind.CRASH}))}

        @pytest.fixture
        def domain(self) -> Domain:
            return MyDomain()

The fixtures `sandbox` and `workspace` may be replaced too. Nothing here knows any particular problem.
"""

from __future__ import annotations

import ast
import math
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from cognition import tree
from cognition.records import Item
from tasks.artefacts import UriWorkspace
from tasks.contract import (
    Domain,
    Failure,
    FailureKind,
    Measurements,
    Outcome,
    Sandbox,
    Score,
    Step,
    Trained,
    Workspace,
)
from tasks.recombine import genome as genomes
from tasks.recombine.render import render
from tasks.sandbox import open_sandbox

SEED = 7


@dataclass(frozen=True, slots=True)
class BadProgram:
    """A program that must fail, and the kinds of failure that say why. `CHECK` also stands for issues."""

    code: str
    kinds: frozenset[FailureKind]


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one program."""

    outcome: Outcome
    measurements: Measurements | None = None


def judge(domain: Domain, code: str, sandbox: Sandbox, workspace: Workspace, seed: int = SEED) -> Judged:
    """One program through every method in the engine's order, at the cheapest rung."""
    issues = domain.check(code) or domain.probe(code, sandbox)
    if issues:
        return Judged(Failure(FailureKind.CHECK, "; ".join(issue.message for issue in issues)))
    rung = domain.rungs[0]
    domain.prepare(workspace)
    trained = domain.train(code, rung, seed, sandbox, workspace)
    if isinstance(trained, Failure):
        return Judged(trained)
    measured = domain.benchmark(code, trained, rung, seed, sandbox, workspace)
    if isinstance(measured, Failure):
        return Judged(measured)
    return Judged(domain.score([measured], [measured]), measured)


class DomainContract:
    """The tests. `bad_programs` fail, each for its reason; `liars` claim a good score and must not get it."""

    bad_programs: ClassVar[Mapping[str, BadProgram]] = {}
    liars: ClassVar[Mapping[str, str]] = {}
    #: No program of this suite may score above this; None: nothing is known about the best possible fitness.
    ceiling: ClassVar[float | None] = None

    @pytest.fixture
    def domain(self) -> Domain:
        raise NotImplementedError("name the domain: override the fixture `domain`")

    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
        with open_sandbox(tmp_path_factory.mktemp("scratch"), unsafe=True) as sandbox:
            yield sandbox

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Workspace:
        return UriWorkspace(tmp_path.as_uri())

    def test_the_name_fits_urls_tables_and_experiments(self, domain: Domain) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9_]{1,40}", domain.name)
        assert re.fullmatch(r"[\w.+-]{1,40}", domain.contract_version)

    def test_rungs_are_named_once(self, domain: Domain) -> None:
        assert domain.rungs
        assert sorted(set(domain.rungs)) == sorted(domain.rungs)

    def test_needs_are_declared_for_every_step_and_rung(self, domain: Domain) -> None:
        steps: tuple[Step, ...] = get_args(Step)
        for needs in (domain.needs(step, rung) for step in steps for rung in domain.rungs):
            assert needs.gpus >= 0
            assert needs.wall_s is None or needs.wall_s > 0

    def test_the_brief_is_complete(self, domain: Domain) -> None:
        brief = domain.brief()
        assert all(text.strip() for text in (brief.goal, brief.program_contract, brief.seed_program, brief.metric))
        assert brief.best_known is None or math.isfinite(brief.best_known)
        seed = {"seed.py": brief.seed_program} if brief.tree is None else tree.read(brief.seed_program)
        assert [ast.parse(text) for name, text in seed.items() if name.endswith(".py")]

    def test_the_brief_is_the_same_every_time(self, domain: Domain) -> None:
        assert domain.brief() == domain.brief()

    def test_items_belong_to_the_domain_and_have_ids_of_their_own(self, domain: Domain) -> None:
        items = domain.brief().items
        assert [item.id for item in items if item.domain != domain.name] == []
        assert len({item.id for item in items}) == len(items)
        assert [item.id for item in items if not (item.insight.strip() and item.triggers)] == []

    def test_items_survive_json(self, domain: Domain) -> None:
        adapter = TypeAdapter(tuple[Item, ...])
        items = domain.brief().items
        assert adapter.validate_json(adapter.dump_json(items)) == items

    def test_every_slot_has_blocks_and_every_block_makes_a_legal_program(self, domain: Domain) -> None:
        brief = domain.brief()
        if brief.template is None:
            pytest.skip("this domain has no block template")
        blocks = genomes.catalogue(brief.template, brief.items)
        carried = [item.block for item in brief.items if item.block is not None]
        assert [block.name for block in carried if block.name not in blocks.slots.get(block.slot, {})] == []
        assert [slot for slot, known in blocks.slots.items() if not known] == []
        first = genomes.Genome(
            tuple((slot, default_gene(blocks, slot, next(iter(known)))) for slot, known in blocks.slots.items())
        )
        for block in carried:
            genome = first.replace(block.slot, default_gene(blocks, block.slot, block.name))
            assert domain.check(render(genome, brief.template, blocks)) == []

    def test_tunables_have_a_default_within_their_range(self, domain: Domain) -> None:
        for item in domain.brief().items:
            for tunable in item.block.tunables if item.block else ():
                if tunable.choices:
                    assert tunable.default in tunable.choices
                elif tunable.low is not None and tunable.high is not None:
                    assert tunable.low <= float(tunable.default) <= tunable.high
                    assert tunable.low > 0 or not tunable.log

    def test_the_seed_program_scores(self, domain: Domain, sandbox: Sandbox, workspace: Workspace) -> None:
        judged = judge(domain, domain.brief().seed_program, sandbox, workspace)
        assert isinstance(judged.outcome, Score), judged.outcome
        assert judged.measurements is not None
        assert domain.brief().metric in judged.measurements.metrics
        features = domain.features(judged.measurements)
        assert {name: value for name, value in features.items() if not 0.0 <= value <= 1.0} == {}

    def test_objectives_are_measured_and_their_scalarisation_is_said(
        self, domain: Domain, sandbox: Sandbox, workspace: Workspace
    ) -> None:
        if not domain.objectives:
            assert not domain.scalarisation
            return
        judged = judge(domain, domain.brief().seed_program, sandbox, workspace)
        assert judged.measurements is not None
        assert [each.metric for each in domain.objectives if each.metric not in judged.measurements.metrics] == []
        assert domain.scalarisation

    def test_artefacts_are_where_they_say(self, domain: Domain, sandbox: Sandbox, workspace: Workspace) -> None:
        judged = judge(domain, domain.brief().seed_program, sandbox, workspace)
        assert judged.measurements is not None
        assert [a.name for a in judged.measurements.artefacts if not workspace.exists(a.name)] == []

    def test_records_survive_json(self, domain: Domain, sandbox: Sandbox, workspace: Workspace) -> None:
        rung, code = domain.rungs[0], domain.brief().seed_program
        trained = domain.train(code, rung, SEED, sandbox, workspace)
        assert isinstance(trained, Trained), trained
        measured = domain.benchmark(code, trained, rung, SEED, sandbox, workspace)
        assert isinstance(measured, Measurements), measured
        again = round_trip(Trained, trained)
        assert again == trained
        assert round_trip(Measurements, measured) == measured
        assert domain.benchmark(code, again, rung, SEED, sandbox, workspace) == measured

    def test_the_score_is_pure(self, domain: Domain, sandbox: Sandbox, workspace: Workspace) -> None:
        judged = judge(domain, domain.brief().seed_program, sandbox, workspace)
        assert judged.measurements is not None
        several = [judged.measurements, judged.measurements]
        assert domain.score(several, several) == domain.score(several, several)
        assert several == [judged.measurements, judged.measurements]

    def test_nothing_measured_is_a_typed_failure(self, domain: Domain) -> None:
        assert isinstance(domain.score([], None), Failure)

    def test_bad_programs_fail_for_their_reason(self, domain: Domain, sandbox: Sandbox, workspace: Workspace) -> None:
        assert self.bad_programs, "a domain's contract test names bad programs"
        for title, bad in self.bad_programs.items():
            outcome = judge(domain, bad.code, sandbox, workspace).outcome
            assert isinstance(outcome, Failure), f"{title}: {outcome}"
            assert outcome.kind in bad.kinds, f"{title}: {outcome}"
            assert outcome.reason.strip(), title

    def test_claims_are_not_believed(self, domain: Domain, sandbox: Sandbox, workspace: Workspace) -> None:
        assert self.liars, "a domain's contract test names programs that lie"
        honest = judge(domain, domain.brief().seed_program, sandbox, workspace).outcome
        assert isinstance(honest, Score)
        for title, code in self.liars.items():
            outcome = judge(domain, code, sandbox, workspace).outcome
            assert isinstance(outcome, Failure) or outcome.fitness <= honest.fitness, f"{title}: {outcome}"

    def test_no_program_beats_what_is_possible(self, domain: Domain, sandbox: Sandbox, workspace: Workspace) -> None:
        if self.ceiling is None:
            pytest.skip("no bound is known for this domain")
        outcome = judge(domain, domain.brief().seed_program, sandbox, workspace).outcome
        assert isinstance(outcome, Score)
        assert outcome.fitness <= self.ceiling

    def test_unknown_options_are_refused(self, domain: Domain) -> None:
        options: Any = getattr(type(domain), "Options", None)
        assert options is not None
        assert issubclass(options, BaseModel)
        with pytest.raises(ValidationError, match="no_such_option"):
            options.model_validate({"no_such_option": 1})

    def test_the_module_imports_nothing_heavy(self, domain: Domain) -> None:
        heavy = ("prefect", "mlflow", "torch", "openai")
        check = f"import sys, {type(domain).__module__}; print([m for m in {heavy} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.strip() == "[]"


def default_gene(blocks: genomes.Catalogue, slot: str, name: str) -> genomes.Gene:
    """A block with the constants that its author chose."""
    return genomes.Gene(name, tuple((t.name, t.default) for t in blocks.block(slot, name).tunables))


def round_trip(kind: type[Any], record: object) -> object:
    """The record as it comes back from JSON, as it does between steps."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return adapter.validate_json(adapter.dump_json(record))

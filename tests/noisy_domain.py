"""The toy problem with noise of a known size, two rungs, and seeds on which a program can be made to fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cognition.randomness import derive
from tasks.contract import Failure, FailureKind, MachineFault, Measurements, Objective, Sandbox, Trained, Workspace
from tests.toy_domain import Toy, ToyOptions


class NoisyOptions(ToyOptions):
    """How large the noise of one evaluation is, and from which seed on a file stops the machine."""

    sd: float = 1.0
    metric: str = "closeness"


class Noisy(Toy):
    """A program's score is the number in it, plus noise that depends on program, rung and seed."""

    Options = NoisyOptions
    name = "noisy"
    rungs = ("explore", "verify")
    options: NoisyOptions

    def benchmark(
        self, code: str, trained: Trained, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace
    ) -> Measurements | Failure:
        self._count(f"benchmark:{rung}:{seed}")
        if self.options.fault_file and Path(self.options.fault_file).exists():
            raise MachineFault("the toy machine is out of order")
        if "fragile" in code and seed >= 2**31:
            return Failure(FailureKind.INVALID, "works on the known seeds only")
        x = float(workspace.read("x.txt"))
        noise = derive(seed, code, rung).gauss(0.0, self.options.sd) if self.options.sd else 0.0
        return Measurements({"closeness": x + noise}, {"x": x}, artefacts=trained.artefacts)


class Quiet(Noisy):
    """Says that it has no noise, which is true with sd = 0."""

    name = "quiet"
    deterministic = True


class TwoSided(Noisy):
    """Has a second metric, which falls where the first one rises if the program says so."""

    name = "two_sided"
    gated = (Objective("closeness"), Objective("cost", "min"))

    def benchmark(
        self, code: str, trained: Trained, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace
    ) -> Measurements | Failure:
        found = super().benchmark(code, trained, rung, seed, sandbox, workspace)
        if isinstance(found, Failure):
            return found
        paid = 1.0 if "costly" in code else -1.0
        return replace(found, metrics={**found.metrics, "cost": paid * abs(found.metrics["closeness"])})


class Guarded(Noisy):
    """Has a test that is kept back."""

    name = "guarded"
    rungs = ("explore", "test")
    held_out = "test"


class Boastful(Noisy):
    """Its scores are what programs say."""

    name = "boastful"

    def brief(self):  # type: ignore[no-untyped-def]  # the parent's
        return replace(super().brief(), metric="self_reported/closeness")

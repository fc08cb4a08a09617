"""Runs inside the sandbox: somebody's evaluator, with the candidate in its process or in a child of it.

Understands three kinds, by what the script has or leaves: a function `evaluate(program_path)` that returns metrics
(OpenEvolve, with `evaluate_stage1` to `evaluate_stage3` before it); a function `main(program_path, results_dir)` that
writes metrics.json and correct.json (ShinkaEvolve); a script that is called with program and results folder and writes
results.json (ASI-Evolve). Whatever comes out is what the evaluator, and with it the candidate, says of itself.
"""

from __future__ import annotations

import importlib.util
import json
import math
import numbers
import os
import runpy
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

RESULTS = Path("results")
STAGES = ("evaluate_stage1", "evaluate_stage2", "evaluate_stage3")
TEXT = 4_000


def run(candidate_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """The metrics and notes of the evaluator `request["script"]`; stages stop below their threshold."""
    folder = Path(request["script"]).parent
    work = Path("work").absolute()
    shutil.copytree(folder, work)  # many evaluators write beside themselves
    program = work / request["program_name"]
    shutil.copyfile(candidate_path, program)
    os.chdir(work)
    sys.path.insert(0, str(work))
    RESULTS.mkdir(exist_ok=True)
    _stand_in_for_openevolve()
    script = work / Path(request["script"]).name
    sys.argv = [str(script), str(program), str(RESULTS)]
    return plain(_result(script, str(program), request["thresholds"]))


def _result(script: Path, program: str, thresholds: list[float]) -> Any:
    if not _has_functions(script):
        runpy.run_path(str(script), run_name="__main__")
        return _from_files()
    module = _load(script)
    if any(hasattr(module, name) for name in (*STAGES, "evaluate")):
        return _staged(module, program, thresholds)
    module.main(program, str(RESULTS))
    return _from_files()


def _has_functions(script: Path) -> bool:
    text = script.read_text(encoding="utf-8")
    return any(f"def {name}(" in text for name in ("evaluate", "main", *STAGES))


def _load(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("evaluator", script)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {script}")
    module = sys.modules["evaluator"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _staged(module: ModuleType, program: str, thresholds: list[float]) -> Any:
    """Stages in order while each reaches its threshold; without stages, `evaluate`."""
    stages = [getattr(module, name) for name in STAGES if hasattr(module, name)]
    if not stages:
        return module.evaluate(program)
    merged: dict[str, Any] = {}
    for number, stage in enumerate(stages):
        metrics, notes = _parts(stage(program))
        merged = {"metrics": {**merged.get("metrics", {}), **metrics}, "notes": {**merged.get("notes", {}), **notes}}
        if number < len(thresholds) and _primary(metrics) < thresholds[number]:
            merged["notes"]["stopped"] = f"after stage {number + 1}, below {thresholds[number]}"
            break
    return merged


def _primary(metrics: dict[str, Any]) -> float:
    if "combined_score" in metrics:
        return float(metrics["combined_score"])
    found = [float(value) for value in metrics.values() if isinstance(value, numbers.Real)]
    return sum(found) / len(found) if found else -math.inf


def _parts(result: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    if isinstance(result, dict):
        return (result["metrics"], result.get("notes", {})) if set(result) == {"metrics", "notes"} else (result, {})
    return dict(result.metrics), dict(getattr(result, "artifacts", {}) or {})


def _from_files() -> dict[str, Any]:
    """What was written into the results folder, or beside the script."""
    for name in ("metrics.json", "results.json"):
        for place in (RESULTS / name, Path(name)):
            if place.exists():
                metrics = json.loads(place.read_text())
                correct = place.with_name("correct.json")
                verdict = json.loads(correct.read_text()) if correct.exists() else {}
                notes = {key: verdict[key] for key in ("correct", "error") if key in verdict}
                return {"metrics": metrics, "notes": notes}
    raise FileNotFoundError("the evaluator returned no metrics and wrote neither metrics.json nor results.json")


def plain(result: Any) -> dict[str, Any]:
    """Metrics that are numbers (NaN as text), and everything else as notes."""
    metrics, notes = _parts(result)
    if not isinstance(metrics, dict):
        raise TypeError(f"the evaluator gave {type(metrics).__name__}, not metrics by name")
    kept: dict[str, Any] = {}
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            notes[str(name)] = value
        else:
            kept[str(name)] = float(value) if math.isfinite(value) else str(value)
    return {"metrics": kept, "notes": {str(name): str(value)[:TEXT] for name, value in notes.items()}}


def _stand_in_for_openevolve() -> None:
    """Evaluators import only its result class; where the package is missing, one with the same fields will do."""
    if importlib.util.find_spec("openevolve") is not None:
        return

    class EvaluationResult(SimpleNamespace):
        def __init__(self, metrics: dict[str, Any], artifacts: dict[str, Any] | None = None) -> None:
            super().__init__(metrics=metrics, artifacts=artifacts or {})

    package, module = ModuleType("openevolve"), ModuleType("openevolve.evaluation_result")
    module.EvaluationResult = EvaluationResult  # type: ignore[attr-defined]  # made for the evaluator
    package.evaluation_result = module  # type: ignore[attr-defined]  # the same
    sys.modules.update({"openevolve": package, "openevolve.evaluation_result": module})

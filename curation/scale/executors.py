"""Datatrove's executors by configuration: local processes, Slurm arrays, Ray. The pipeline is the same for all three.

Nothing of ours schedules anything. Slurm and Ray need this package and a working sandbox on every node.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cognition.records import MachineFault


class ExecutorSettings(BaseModel):
    """Where shards run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["local", "slurm", "ray"] = "local"
    workers: int = Field(1, ge=1, description="Shards at a time")
    slurm_partition: str = Field("", description="Slurm: the partition")
    slurm_time: str = Field("12:00:00", description="Slurm: the time limit of a shard")
    cpus_per_task: int = Field(1, ge=1, description="Slurm and Ray")
    mem_per_cpu_gb: int = Field(4, ge=1, description="Slurm and Ray")


def build(settings: ExecutorSettings, pipeline: list[Any], tasks: int, logging_dir: Path) -> Any:
    """The executor, not yet started. Raises MachineFault if its kind cannot run here."""
    common = {"pipeline": pipeline, "tasks": tasks, "workers": settings.workers, "logging_dir": str(logging_dir)}
    if settings.kind == "local":
        from datatrove.executor.local import LocalPipelineExecutor

        return LocalPipelineExecutor(**common)
    wide = {"cpus_per_task": settings.cpus_per_task, "mem_per_cpu_gb": settings.mem_per_cpu_gb}
    if settings.kind == "slurm":
        if not settings.slurm_partition:
            raise MachineFault("Slurm needs a partition: --set slurm_partition=NAME")
        if shutil.which("sbatch") is None:
            raise MachineFault("there is no sbatch here: start this on a node that may submit to Slurm")
        from datatrove.executor.slurm import SlurmPipelineExecutor

        return SlurmPipelineExecutor(
            **common, **wide, time=settings.slurm_time, partition=settings.slurm_partition, job_name="nightshift-curate"
        )
    if importlib.util.find_spec("ray") is None:
        raise MachineFault("Ray is not installed: pip install 'ray[default]', on every node")
    from datatrove.executor.ray import RayPipelineExecutor

    return RayPipelineExecutor(**common, **wide)

"""Selection by a classifier, with a tiny one made here; Slurm's array, played by three small programs."""

from __future__ import annotations

import importlib
import json
import os
import stat
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cognition.records import MachineFault
from curation.scale.apply import Plan, apply
from curation.scale.executors import ExecutorSettings
from flows.curate_strategy import sandbox_in

STRIP = 'def clean(text, metadata):\n    return text.replace("<b>", "") or None\n'


@pytest.mark.slow
def test_fineweb_edus_rule_keeps_what_scores_three(tmp_path: Path) -> None:
    import torch

    transformers: Any = importlib.import_module("transformers")
    from curation.references.classifiers import fineweb_edu

    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]))
    transformers.BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = transformers.BertConfig(vocab_size=7, num_labels=1, **sizes)
    model = transformers.BertForSequenceClassification(config)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.fill_(2.6)
    model.save_pretrained(tmp_path)
    assert fineweb_edu(["good", "bad"], tmp_path) == ["good", "bad"]
    with torch.no_grad():
        model.classifier.bias.fill_(2.4)
    model.save_pretrained(tmp_path)
    assert fineweb_edu(["good", "bad"], tmp_path) == [None, None]
    with pytest.raises(MachineFault, match="holds no classifier"):
        fineweb_edu(["good"], tmp_path / "nowhere")


#: sbatch runs every task of the array at once and in order; what it waits for has ended by then.
SBATCH = """#!{python}
import re, subprocess, sys, os, tempfile
text = sys.stdin.read() if len(sys.argv) < 2 or not os.path.exists(sys.argv[-1]) else open(sys.argv[-1]).read()
last = int(re.search(r"--array=0-(\\d+)", text)[1])
if "merge_stats" not in text:
    for task in range(last + 1):
        env = dict(os.environ, SLURM_ARRAY_TASK_ID=str(task), SLURM_NODELIST="here", RUN_OFFSET="0")
        done = subprocess.run(["bash"], input=text, text=True, env=env, capture_output=True)
        if done.returncode:
            sys.stderr.write(done.stdout + done.stderr)
            sys.exit(1)
print("Submitted batch job 1")
"""
SRUN = '#!/bin/bash\nwhile [[ "$1" == -* ]]; do [[ "$1" == -n ]] && shift; shift; done\nexec "$@"\n'
SCONTROL = "#!/bin/bash\necho here\n"


@pytest.mark.slow
def test_the_pickled_pipeline_runs_as_a_slurm_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = {"sbatch": SBATCH.replace("{python}", sys.executable), "srun": SRUN, "scontrol": SCONTROL}
    (tmp_path / "bin").mkdir()
    for name, content in programs.items():
        (tmp_path / "bin" / name).write_text(content)
        (tmp_path / "bin" / name).chmod(stat.S_IRWXU)
    beside = str(Path(sys.executable).parent)  # where launch_pickled_pipeline is
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{beside}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    (tmp_path / "in").mkdir()
    text = "the same words in the same order, once more and once again, all of them"
    for name in "ab":
        (tmp_path / "in" / f"{name}.jsonl").write_text(json.dumps({"id": name, "text": f"<b>{text}"}) + "\n")
    settings = ExecutorSettings(kind="slurm", slurm_partition="cpu", workers=2)
    plan = Plan(STRIP, (), tmp_path / "in", tmp_path / "out", executor=settings)
    opener = partial(sandbox_in, str(tmp_path / "scratch"), True)
    (tmp_path / "scratch").mkdir()
    assert apply(plan, opener).submitted
    done = apply(plan, opener)  # all of it has run by now
    assert (done.submitted, done.counts.kept, done.done_before) == (False, 2, 2)
    rows = [json.loads(line) for path in sorted((tmp_path / "out").glob("*.jsonl")) for line in path.open()]
    assert [(row["id"], row["text"]) for row in rows] == [("a", text), ("b", text)]

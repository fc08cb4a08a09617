"""What the adapter refuses a loaded strategy; and that the corpus holds nothing it could still read from memory."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from curation.cleaning import Allowance, Batch, Fault, Source, clean_batch
from curation.corpus.real_text import passages
from curation.inside.adapter import ALLOWED
from tasks.sandbox import Pool

TRIES = {
    "open": "open('/etc/hostname').read()",
    "import": "__import__('pydoc_data.topics').topics",
    "os.listdir": "__import__('os').listdir('/')",
    "os.exec": "__import__('os').execv('/bin/cat', ['cat', '/etc/hostname'])",
    "ctypes.dlsym": "str(__import__('ctypes').pythonapi.open)",
    "gc.get_referrers": "str(__import__('gc').get_referrers(text))",
    "sys._getframe": "str(__import__('sys')._getframe(1).f_locals)",
}


@pytest.mark.parametrize("event", sorted(TRIES))
def test_ways_to_the_truth_are_shut(event: str, warm_sandbox: Pool) -> None:
    code = f"def clean(text, metadata):\n    return {TRIES[event]}\n"
    done = clean_batch(code, [Source("x")], warm_sandbox, Allowance())
    assert isinstance(done, Batch)
    [fault] = done.cleaned
    assert isinstance(fault, Fault)
    assert f"a strategy may not use {event}" in fault.message


def test_texts_with_signs_that_no_store_accepts_are_faults_of_their_document(warm_sandbox: Pool) -> None:
    code = "def clean(text, metadata):\n    return {'nul': 'a\\0', 'half': '\\ud800'}.get(text, text)\n"
    done = clean_batch(code, [Source(text) for text in ("nul", "fine", "half")], warm_sandbox, Allowance())
    assert isinstance(done, Batch)
    assert [isinstance(each, Fault) for each in done.cleaned] == [True, False, True]


def test_the_corpus_holds_no_docstring_of_a_module_that_strategies_may_import() -> None:
    corpus = " ".join(re.sub(r"\s+", " ", passage.text) for passage in passages(0))
    for name in ALLOWED:
        module = importlib.import_module(name)
        texts = [module.__doc__, *(inspect.getdoc(each) for each in vars(module).values() if inspect.isfunction(each))]
        long = [re.sub(r"\s+", " ", text) for text in texts if text and len(text) > 400]
        assert [text[:80] for text in long if text[100:300] in corpus] == [], name

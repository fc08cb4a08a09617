"""A researcher that follows a script, as a server for any OpenAI-compatible client. It knows no model.

Its chance of a good answer depends on what the prompt holds, by planted amounts (settings.py); a good answer is the
next step of a ladder of real programs of the problem (ladder.py). answers.py reads prompts and composes answers, and
server.py serves them, with faults. A study on it tests the harness: it must find what was planted, and nothing where
nothing was. It is no evidence about cognition.
"""

from flows.study.scripted.ladder import Ladder
from flows.study.scripted.server import ScriptedResearcher
from flows.study.scripted.settings import Chances, Faults, Scripted

__all__ = ["Chances", "Faults", "Ladder", "Scripted", "ScriptedResearcher"]

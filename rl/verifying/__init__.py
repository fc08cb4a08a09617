"""Is a model's answer the right one? math-verify, in a process of its own that may be ended at any time."""

from rl.verifying.verifier import Verdict, Verifier, VerifierFault

__all__ = ["Verdict", "Verifier", "VerifierFault"]

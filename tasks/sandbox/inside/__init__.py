"""Code that runs inside the sandbox: the zygote, the supervisor, the lockdown. Standard library only.

This folder alone is bound into the sandbox, as the package `inside`; the rest of the repository is not visible there.
"""

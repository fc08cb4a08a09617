"""Attacks a problem's evaluator with programs that cheat, before anything is spent: `nightshift audit PROBLEM`.

- surgery.py: puts a cheat into the seed program
- cheats.py: the cheats that fit any problem
- audit.py: runs them and says what each came to
- command.py: the command and its table
- first_run.py: the short audit of a problem that was never run before

It finds what it knows of. A problem that passes is not proved safe; one that does not is broken.
"""

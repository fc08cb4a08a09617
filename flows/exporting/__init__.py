"""`nightshift export`: a candidate's change against the seed as a branch of a git repository, with its evidence.

place.py says where the files go, evidence.py what is known of the candidate, git.py writes commits without touching
anybody's working tree; flows/export_cli.py is the command.
"""

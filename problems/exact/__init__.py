"""What problems with an exact referee share: reading numbers exactly, rounding scores down, the domain around it.

A candidate answers with plain numbers. They are read as what they are, rationals, and everything that decides is
computed with whole numbers. Nothing here knows a particular problem.
"""

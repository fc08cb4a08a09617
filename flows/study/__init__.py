"""`nightshift study`: arms x seeds at an equal budget, their table and figures. docs/study.md says how to read them.

- settings.py: the study's TOML file     - cells.py: its campaigns, their settings and order
- running.py, flow.py: run them, resume  - record.py: what was begun under this name
- ledger.py: what each cell spent and reached, from the archive
- results.py: the comparison, pure         - figures.py, table.py, output.py: what a person and other programs read
- scripted/: a researcher with planted effects, for testing all of the above
"""

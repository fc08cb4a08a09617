"""The morning report: gathered from the archive (gather.py) into frozen records (records.py), then rendered.

Renderers: markdown.py, page.py (HTML), terminal.py; JSON is the records themselves. figures/ draws.
"""

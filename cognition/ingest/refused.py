"""A source that cannot be read, with the reason."""

from __future__ import annotations


class Refused(Exception):
    """This source yields nothing; the message says why and what to do. Other sources go on."""

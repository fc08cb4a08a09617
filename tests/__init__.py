"""Tests, mirroring the packages; what several of them share lies here: a toy domain, a scripted model server."""

"""Composition: campaigns and rounds as Prefect flows, configuration, command line, local servers."""

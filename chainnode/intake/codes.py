"""Displays of our own for the codes that are seen most: text of the input never comes out."""

_SNOMED = """
"""
DISPLAYS: dict[tuple[str, str], str] = {}

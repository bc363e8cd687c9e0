"""
Warnings that are for a person: the command line says each on standard error, in Python they are warnings.

What they say is held to what errors are: counts, names of files and columns by letter, never a cell.
"""

from __future__ import annotations


class Notice(UserWarning):
    """What may be wrong and stops nothing."""


class ExtractWarning(Notice):
    """What may be wrong with an extract."""


class CacheWarning(Notice):
    """Compiled code cannot be kept; it is compiled anew by every run."""

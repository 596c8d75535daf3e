"""What can be wrong with the database of a ledger, whichever database it is."""

from __future__ import annotations


class NoLedger(Exception):
    """There is no file, or none that can be read; the text says so in a sentence."""


class NothingRecorded(NoLedger):
    """There is no file yet, or an empty one, as before the first request."""


class NewerVersion(Exception):
    """The database was written by a newer version of the bridge, whose tables this one does not know."""


class Broken(Exception):
    """The file is no database, or a damaged one."""


class Unavailable(Exception):
    """The database cannot be used now: it is locked, the disk is full. What was to be written can be tried again."""

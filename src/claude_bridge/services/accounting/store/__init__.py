"""The database behind the ledger: its tables, and every statement that is sent to it. Nothing here knows Twisted."""

"""The command `claude-bridge usage`: what was used, by whom, and what it cost.

It reads the ledger's file beside the daemon. That is a matter neither of Claude Code's side (`client` knows no
services) nor of the daemon: it needs the tables of `services.accounting.store` alone, without Twisted.
"""

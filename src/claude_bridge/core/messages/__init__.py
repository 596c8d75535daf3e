"""The conversation: Messages turns and blocks -> chat messages, as each server wants them (wire-contract 5.2, 5.3)."""

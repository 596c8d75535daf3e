"""Translation of the conversation into chat messages in the form that each server accepts."""

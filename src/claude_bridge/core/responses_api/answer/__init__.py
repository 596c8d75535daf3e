"""Reading of an answer: events of the Responses API -> neutral events."""

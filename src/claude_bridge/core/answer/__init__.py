"""The parts of an answer that the reader puts together: text, calls, why it ended."""

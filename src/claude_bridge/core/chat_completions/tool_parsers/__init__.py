"""Tool parsers: they recover, while streaming, tool calls that a model wrote into its text in its template's syntax.

A server that was started without the right parser passes on what the model wrote (docs/chat-completions.md 2.6). Each
family of syntaxes has one file; a parser is a generator over a `cursor.Cursor`. `syntaxes` maps the opening markers to
parsers, and `scanner` runs them.
"""

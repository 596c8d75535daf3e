"""Tool calls that a model wrote into its text, in the words of its chat template, recovered while streaming.

A server that was started without the right parser passes on what the model wrote (wire-contract 4.3). One file
a family of syntaxes, each a generator over a `cursor.Cursor`; `registry` says which marker opens which.
"""

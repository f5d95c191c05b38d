"""Data contracts: what the files of each domain must hold, and what each broken rule costs.

`model` holds the frozen values, `load` makes them from YAML in the Open Data Contract Standard; plain Python, no engine.
"""

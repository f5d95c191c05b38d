"""Pure functions from DataFrames to DataFrames: lazy, without a session, a clock, an action or a file.

`LOGIC` is bumped whenever a change here gives other gold tables for the same records, or tables other columns; it is part of the
logic hash, so a lake made by the older code asks for `cartbrook rebuild` instead of mixing two logics.
"""

LOGIC = 4

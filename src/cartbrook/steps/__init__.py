"""The story, one step per file; a step never imports a step.

receive -> ingest -> validate -> history -> facts -> marts -> publish -> archive; in an undo `withdraw` stands in for the first.
Each has `run(lake, operation) -> StepResult`, may be called alone and again, and leaves the same tables.
"""

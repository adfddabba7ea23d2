"""Systems of named blocks: one step, every law of it."""

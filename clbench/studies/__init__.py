"""Studies that ``clbench reproduce`` carries out: many runs, one table, and what its numbers decide."""

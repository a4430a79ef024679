"""clbench's own executors, one a module."""

"""clbench's own trackers, a file each; see :mod:`clbench.schema.tracker`. Packages are imported by who is asked for."""

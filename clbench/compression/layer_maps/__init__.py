"""Layer maps, a file each; see :mod:`clbench.schema.layer_map`."""

"""MPNet: attention with relative positions of its own, so its rows are padded."""

from clbench.encoder.family import Family

mpnet = Family("MPNet", ("mpnet",), flat=False)

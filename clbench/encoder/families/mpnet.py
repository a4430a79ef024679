"""MPNet: attention with relative positions of its own, so its rows are padded."""

from clbench.encoder.family import Family


class _MPNet(Family):
    after_padding = True


mpnet = _MPNet("MPNet", ("mpnet",), flat=False)

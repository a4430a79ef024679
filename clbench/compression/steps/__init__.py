"""The compression steps, one file each; each subclass of :class:`~clbench.schema.step.Step` is found by itself."""

"""The strategies, one file each; every subclass of :class:`~clbench.schema.strategy.Strategy` is found by itself."""

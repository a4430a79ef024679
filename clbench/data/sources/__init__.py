"""The sources of data, one file each; every subclass of :class:`~clbench.schema.source.Source` is found by itself."""

"""clbench's own metrics; every :class:`~clbench.metrics.metric.Metric` in here is found by itself."""

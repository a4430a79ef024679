"""Batteries: what every piece that can be added has to do (a step, layer map, strategy, metric, source of data, task
type, encoder family, executor, tracker), one named check at a time.

clbench's own pieces pass them, and a piece of one's own is right when it does::

    from clbench.testing import check_step, step_checks

    check_step("prune_neurons", "prune-neurons.yaml")        # all checks; what fails is told with its name

    @pytest.mark.parametrize("check", step_checks("prune_neurons", "prune-neurons.yaml"), ids=str)
    def test_my_step(check):
        check()

They bring a small world with them (a random BERT with its tokenizer, generated examples) and need neither network, GPU
nor pytest. From a shell: ``python -m clbench.testing FILE.yaml --plugin FILE.py``.
"""

from clbench.testing.battery import Check, CheckFailed
from clbench.testing.encoders import check_encoder, encoder_checks
from clbench.testing.executors import check_executor, executor_checks
from clbench.testing.layer_maps import check_layer_map, layer_map_checks
from clbench.testing.metrics import check_metric, metric_checks
from clbench.testing.sources import check_source, source_checks
from clbench.testing.steps import check_step, step_checks
from clbench.testing.strategies import check_strategy, strategy_checks
from clbench.testing.task_types import check_task, task_type_checks
from clbench.testing.trackers import check_tracker, tracker_checks

__all__ = [
    "Check",
    "CheckFailed",
    "check_encoder",
    "check_executor",
    "check_layer_map",
    "check_metric",
    "check_source",
    "check_step",
    "check_strategy",
    "check_task",
    "check_tracker",
    "encoder_checks",
    "executor_checks",
    "layer_map_checks",
    "metric_checks",
    "source_checks",
    "step_checks",
    "strategy_checks",
    "task_type_checks",
    "tracker_checks",
]

"""Divisions: what a submission was free to choose."""

from __future__ import annotations

from collections.abc import Sequence

from clbench.board.rerun import shipped_backbone, spec_of_record
from clbench.record.forms import Record
from clbench.schema.shipped import names

CLOSED, OPEN = "closed", "open"
# What each means in a line.
DIVISIONS = {
    CLOSED: "a shipped recipe with its own hyper-parameters, a packaged backbone, and seeds 0 to n - 1, three or more",
    OPEN: "whatever the submission declares",
}
_FEWEST = 3


def division(records: Sequence[Record]) -> str:
    """A key of ``DIVISIONS``.

    Args:
        records: a submission's, in the order of their seeds.
    """
    told = records[0].configuration
    seeds = [record.configuration.seed for record in records]
    spec, backbone = spec_of_record(told), shipped_backbone(told.backbone.name)
    closed = (
        seeds == list(range(max(_FEWEST, len(seeds))))
        and told.names[0] in names("model")
        and not spec.settings
        and all(plugin.kind == "metric" for plugin in records[0].plugins)
        and backbone is not None
        and backbone.folder is not None  # clbench brings its weights along
    )
    return CLOSED if closed else OPEN

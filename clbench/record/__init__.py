"""What a run leaves: one JSON file with its provenance, its predictions and its figures."""

from __future__ import annotations

from clbench.record.build import DomainInfo, RunParts, check_beginning, make_record
from clbench.record.files import RECORD_NAME, count_records, json_schema, read_record, write_record
from clbench.record.forms import Record
from clbench.record.groups import (
    alike,
    alike_in_any_order,
    grouped,
    pair_shares,
    summary,
    summary_over_orders,
    warning_sentences,
)
from clbench.record.provenance import hardware, versions
from clbench.schema.warning import RunWarning

__all__ = [
    "RECORD_NAME",
    "DomainInfo",
    "Record",
    "RunParts",
    "RunWarning",
    "alike",
    "alike_in_any_order",
    "check_beginning",
    "count_records",
    "grouped",
    "hardware",
    "json_schema",
    "make_record",
    "pair_shares",
    "read_record",
    "summary",
    "summary_over_orders",
    "versions",
    "warning_sentences",
    "write_record",
]

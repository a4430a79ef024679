"""``clbench schema``: the forms of clbench's files, as JSON schemas."""

from __future__ import annotations

from importlib import import_module

import click

# What the user names -> where the form is defined.
_FORMS = {
    "record": "clbench.record:Record",
    "submission": "clbench.board.forms:Submission",
    "attestation": "clbench.board.attestation:Attestation",
    "recipe": "clbench.schema.recipe:Recipe",
    "stream": "clbench.schema.stream:Stream",
    "domain": "clbench.schema.domain:Domain",
    "strategy": "clbench.schema.strategy:AnyStrategy",
    "backbone": "clbench.schema.backbone:BackboneForm",
    "sweep": "clbench.schema.sweep:Sweep",
    "pretraining": "clbench.schema.pretrain:Pretraining",
}


@click.command("schema")
@click.argument("form", metavar="FORM", type=click.Choice([*_FORMS]))
def command(form: str) -> None:
    """Print the JSON schema of a file's FORM: of the record that a run leaves, of a submission, of an attestation, or
    of a YAML file: recipe, stream, domain, strategy, backbone, sweep or pretraining (docs/own-files.md)."""
    from pydantic import TypeAdapter

    from clbench.runtime.console import print_json

    module, name = _FORMS[form].split(":")
    print_json(TypeAdapter(getattr(import_module(module), name)).json_schema())

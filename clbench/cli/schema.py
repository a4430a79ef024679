"""``clbench schema``: the forms of clbench's files, as JSON schemas."""

from __future__ import annotations

from typing import Any

import click


@click.command("schema")
@click.argument("form", type=click.Choice(["record", "submission", "recipe", "stream", "domain", "backbone"]))
def command(form: str) -> None:
    """Print the JSON schema of a file's form: what a run leaves, what is submitted, what the YAML files hold."""
    from clbench.runtime.console import print_json

    print_json(_schema(form))


def _schema(form: str) -> dict[str, Any]:
    if form == "record":
        from clbench.record import json_schema

        return json_schema()
    if form == "submission":
        from clbench.board import json_schema as submission_schema

        return submission_schema()
    from clbench.schema.backbone import BackboneForm
    from clbench.schema.domain import Domain
    from clbench.schema.form import Form
    from clbench.schema.recipe import Recipe
    from clbench.schema.stream import Stream

    forms: dict[str, type[Form]] = {"recipe": Recipe, "stream": Stream, "domain": Domain, "backbone": BackboneForm}
    return forms[form].model_json_schema()

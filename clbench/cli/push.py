"""``clbench push``: a run's model, or a checkpoint's folder, to the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clbench.errors import UserError
from clbench.runtime.console import out, print_json

if TYPE_CHECKING:
    from clbench.encoder.push import Sent, Target


def target_options(command: Any) -> Any:
    """The options of a commit on the hub."""
    for option in (
        click.option("--commit-message", help="The commit's message."),
        click.option("--revision", help="The branch, made where it is not there [default: the main one]."),
        click.option("--update", is_flag=True, help="Commit onto a repository that holds files already."),
        click.option("--private", is_flag=True, help="Make a new repository private."),
    ):
        command = option(command)
    return command


def target_of(name: str, options: Mapping[str, Any]) -> Target:
    """What :func:`target_options` have said of a repository."""
    from clbench.encoder.push import Target

    return Target(name, options["private"], options["revision"], options["commit_message"], options["update"])


def target_if_asked(name: str | None, options: Mapping[str, Any]) -> Target | None:
    """The same of a command that may push, and pushes where a repository is named.

    Raises:
        UserError: an option of the commit without a repository.
    """
    if name is not None:
        return target_of(name, options)
    for option, value in options.items():
        if value:
            raise UserError(f"--{option.replace('_', '-')} is of a commit on the hub; give --push OWNER/NAME with it.")
    return None


@click.command("push")
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("name", metavar="OWNER/NAME")
@target_options
@click.option("--dry-run", is_flag=True, help="Show what would be sent, file by file, and the card; send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    path: Path,
    name: str,
    dry_run: bool,
    as_json: bool,
    **commit: Any,
) -> None:
    """Send a model to the Hugging Face hub, with a card that holds its figures.

    PATH is the folder of a run that kept its model (clbench run --keep-models end), the folder of such a run's seeds,
    or a checkpoint's folder (clbench compress). Sent are weights as safetensors, configuration, tokenizer, card and
    records; no texts of yours, no code. The token is that of `hf auth login` or HF_TOKEN.

    clbench push runs/nli-shift.embedded.naive/pkd-skip-6l-0a1b2c3d me/my-model --dry-run
    """
    from clbench.encoder.push import described, send
    from clbench.runs.push import package

    target = target_of(name, commit)
    target.check()
    found = package(path, target)
    if not dry_run:
        tell(target, send(target, found.files), as_json)
        return
    listed = described(found.files)
    if as_json:
        told = {"private": target.private, "revision": target.revision, "message": target.message}
        print_json({"repository": name, **told, "files": listed, "card": found.card})
        return
    show = out()
    branch = f", branch {target.revision}" if target.revision else ""
    show.print(f"Would send to {name}{' (private)' if target.private else ''}{branch}:")
    for file in listed:
        show.print(f"  {file['bytes']:>13,}  {file['path']}", soft_wrap=True)
    show.print(f"\nREADME.md:\n\n{found.card}", soft_wrap=True)


def tell(target: Target, sent: Sent, as_json: bool) -> None:
    """What has been sent, and how it comes back."""
    model = f"hub:{target.name}@{sent.commit}"
    if as_json:
        print_json({"repository": target.name, "url": sent.url, "commit": sent.commit, "model": model})
        return
    out().print(f"sent    {sent.url}\ncommit  {sent.commit}\nback    clbench run --model {model}", soft_wrap=True)

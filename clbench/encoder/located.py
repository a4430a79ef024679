"""Where a backbone is that a name means, and what can be seen of it without opening its weights or downloading it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clbench.encoder.family import family_of
from clbench.encoder.hf_folder import check_files, is_bert, read_bert_shape, read_json
from clbench.errors import UserError, nearest, short
from clbench.schema.backbone import ON_THE_HUB, BackboneForm, called, on_the_hub
from clbench.schema.form import read_yaml
from clbench.schema.shipped import FOLDERS, expanded, find, names

if TYPE_CHECKING:
    from clbench.schema.stream import OpenStream


@dataclass(frozen=True)
class Located:
    """Where a backbone is: in a folder of this machine, or on the hub.

    Attributes:
        name: what it was asked for by.
        folder: it; None for one of the hub.
        hub: its id there; None for a folder.
        asked: the revision of it that the name asks for.
        form: what its YAML file says, if it was asked for by one or by a name that is shipped.
        path: that file.
    """

    name: str
    folder: Path | None = None
    hub: str | None = None
    asked: str | None = None
    form: BackboneForm | None = None
    path: Path | None = None

    @property
    def revision(self) -> str | None:
        """The revision that the name or the YAML file asks for."""
        return self.asked if self.form is None else self.form.revision


def locate(name: str | Path) -> Located:
    """Where the backbone is that a user means by ``name``: a shipped name, the path of a YAML file, a local Hugging
    Face folder, or a hub id (``OWNER/NAME`` or ``OWNER/NAME@REVISION``), of which nothing but the form is looked at.
    With ``hub:`` before it, an id is the hub's whatever lies here; it is called the same without.

    Raises:
        UserError: nothing of that name, or a YAML file that breaks its form or names a folder that is not there.
    """
    name = os.fspath(name)
    if name.startswith(ON_THE_HUB):
        return _on_the_hub(called(name), name)
    if name.endswith((".yaml", ".yml")) or name in names("backbone"):
        return _of_form(name, find("backbone", name))
    folder = expanded(name)
    if name and os.path.isdir(folder):
        return Located(name, folder)
    return _on_the_hub(name, None)


def _on_the_hub(name: str, given: str | None) -> Located:
    """The backbone of the hub that a name means; ``given`` is what stood there, where that says it is the hub's."""
    for shipped in names("backbone"):
        path = FOLDERS["backbone"] / f"{shipped}.yaml"
        if read_yaml(path, BackboneForm).hub == name:
            return _of_form(name, path)
    if (found := on_the_hub(name)) is not None:
        return Located(name, hub=found[0], asked=found[1])
    if given is not None:
        raise UserError(
            f"backbone {short(given)} should be {ON_THE_HUB}OWNER/NAME or {ON_THE_HUB}OWNER/NAME@REVISION, a model of "
            "the hub; a folder on this machine is given by its path alone."
        )
    if "/" in name:
        raise UserError(
            f"backbone {short(name)} is not a folder on this machine nor a hub id (owner/name); "
            f"{nearest(name, names('backbone'))}"
        )
    if name and os.path.isfile(f"{name}.yaml"):
        raise UserError(f"no backbone is called '{short(name)}'; did you mean the file ./{short(name)}.yaml?")
    near = nearest(name, names("backbone"))
    raise UserError(
        f"no backbone is called '{short(name)}'; {near[:-1]}, or a model of the hub, which is named "
        f"OWNER/NAME{near[-1]}"
    )


def _of_form(name: str, path: Path) -> Located:
    form = read_yaml(path, BackboneForm)
    if form.hub is not None:
        return Located(name, hub=form.hub, form=form, path=path)
    folder = path.parent / str(form.folder)
    if not os.path.isdir(folder):
        raise UserError(f"{path}: field 'folder' should name a folder beside it, but there is no {folder}.")
    return Located(name, folder, form=form, path=path)


def check_edition(stream: OpenStream, edition: str) -> int | None:
    """Check that the backbone of a stream's edition is there and has a position for each token of its longest example.

    Nothing is downloaded, and weights and tokenizer are not opened: a run checks them.

    Returns:
        Its positions; None where it is on the hub and not in the hub's cache on this machine, so that nobody can tell.

    Raises:
        UserError: it is not there, or is no BERT's folder, or has too few positions; with the stream's file and field.
    """
    form, field = stream.edition(edition), "backbone"
    try:
        positions = _positions(form.backbone)
        if positions is not None:
            field = "max_length"
            check_length(form.backbone, positions, form.max_length, f"the edition {edition} of {stream.form.name}")
    except UserError as error:
        raise UserError(f"{stream.field(edition, field)}: {error}") from error
    return positions


def check_length(name: str, positions: int, max_length: int, asked: str) -> None:
    """Check that a backbone has a position for each token of the longest example.

    Args:
        name: the backbone's.
        positions: that it has.
        max_length: tokens an example, special ones included.
        asked: who asks for them, for the sentence.

    Raises:
        UserError: there are fewer.
    """
    if positions < max_length:
        raise UserError(
            f"backbone {name} has {positions} positions, but {asked} asks for examples of up to {max_length} tokens; "
            f"choose a backbone with {max_length} positions or more, or a max_length of {positions}."
        )


def _positions(name: str) -> int | None:
    place, origin = locate(name), f"backbone {name}"
    folder = place.folder
    if folder is None:
        from clbench.encoder.hub import cached_folder

        folder = cached_folder(str(place.hub), place.revision)
    if folder is None:
        return None
    check_files(folder, origin)
    if is_bert(folder, origin):
        return read_bert_shape(folder, origin).max_position_embeddings
    content = read_json(folder / "config.json", origin)
    family = family_of(str(content.get("model_type")))
    if family.model_types:
        return family.positions(family.settings(content, origin))
    from clbench.encoder.architecture import outlined_positions

    return outlined_positions(folder, origin)

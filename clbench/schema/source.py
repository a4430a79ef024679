"""Sources: where a domain's examples come from (in its YAML file ``hub``, ``folder``, ``generator`` or ``source``).

A source is one class in one file, see ``clbench/data/sources/``: its fields are its settings, as YAML spells them; how
its examples are had, and its traits, are its methods and class attributes.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from clbench.errors import UserError
from clbench.schema.form import Form
from clbench.schema.registry import Registry, forms
from clbench.schema.shipped import expanded

if TYPE_CHECKING:
    from clbench.data.pairs import DomainData, Pairs

_KIND = re.compile(r"[a-z][a-z0-9_-]{0,59}")
# What a record's data_source says of several, or of a kind of edition.
_TAKEN = ("generated", "mixed", "real")


@dataclass(frozen=True)
class Request:
    """What a stream's edition wants of a domain's source.

    Attributes:
        domain: the domain's name.
        label_space: the stream's classes; a label's number is its place.
        trained_on: whether the stream trains on the domain, which then needs a ``train`` part.
        sizes: examples wanted by split, None for all. A generated source gives exactly so many; of what others give,
            clbench draws so many by the domain's name.
        beside: the folder of the domain's file, from which paths in it are meant.
        shift: generated editions: 0 (as the stream's first domain) to 1 (as the domain's real counterpart).
        folder: for a source that reads ``--data-dir``: the domain's folder in it.
    """

    domain: str
    label_space: tuple[str, ...]
    trained_on: bool
    sizes: Mapping[str, int | None]
    beside: Path = Path()
    shift: float = 1.0
    folder: Path | None = None

    def path(self, written: str) -> Path:
        """The path that a setting of the domain's file means; ``~`` is the user's home."""
        return self.beside / expanded(written)


class Source(Form):
    """What every source has; each kind adds its own settings as fields.

    A subclass has ``kind: Literal["its_name"]``, by which a domain's file names it: ``source: {kind: its_name, ...}``.
    One whose rows have columns and published labels is a :class:`~clbench.schema.domain.Reading` as well, which brings
    ``columns``, ``labels`` and ``bands``: ``class Mine(Reading, Source)``.

    Attributes:
        generated: its examples are made, in the numbers and with the shift that are asked for: it serves the generated
            editions of a stream, any other source the real ones.
        needs_network: it reaches out, unless an earlier visit has filled a cache.
        reads_data_dir: it reads the domain's folder under ``--data-dir``, without which it has no examples.
        phrase: what it is called where people are told whence examples come; its kind unless given.
        kind: which source.
    """

    generated: ClassVar[bool] = False
    needs_network: ClassVar[bool] = False
    reads_data_dir: ClassVar[bool] = False
    phrase: ClassVar[str] = ""

    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        annotation = cls.model_fields["kind"].annotation
        for name in typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ():
            if not isinstance(name, str) or not _KIND.fullmatch(name) or name in _TAKEN:
                raise ValueError(
                    f"the kind of source {cls.__name__} should be up to 60 small letters, digits, - and _, a letter "
                    f"first, and none of {', '.join(_TAKEN)}, but is {name!r}"
                )

    def load(self, request: Request) -> DomainData:
        """The domain's examples: the same for every run, seed and machine.

        Returns:
            Its parts ``test``, ``validation`` and, where the domain is trained on, ``train``, with labels on
            ``request.label_space``; ``source`` holds what a record should say of where they come from, such as ``id``
            and ``revision`` (the kind is added). Parts may be larger than asked for unless it is generated.

        Raises:
            UserError: the examples cannot be had, or are not what the settings say.
        """
        raise NotImplementedError

    def draw_anew(self, request: Request, seed: int, known: DomainData) -> Pairs:
        """Test examples that nobody has seen, for a generated source that can draw more of them.

        Args:
            request: as :meth:`load` has it.
            seed: 0 to 2^63 - 1; another seed, other examples.
            known: what :meth:`load` gave: none of its examples may come again.

        Raises:
            UserError: the source has no more examples than it has given.
        """
        raise UserError(f"domain '{request.domain}': its source {self.kind} draws no examples anew")

    @classmethod
    def flaw(cls) -> str | None:
        if cls.load is Source.load:
            return f"class {cls.__name__} has no method load(self, request); write one"
        return super().flaw()

    def as_files(self) -> Source | None:
        """What reads the domain's files under ``--data-dir`` in its place; None for a source that has none."""
        return None

    def named_classes(self) -> Mapping[str, Sequence[str]]:
        """The classes of the label space that its settings name, in their order, by the field that names them."""
        # A Reading beside this class says it, whichever of the two stands first.
        beside = getattr(super(), "named_classes", None)
        return beside() if beside is not None else {}

    def origin(self) -> str | None:
        """What it would call its data, such as an id; None for no more than the kind."""
        return None

    def told(self) -> str:
        """Where the examples come from, for people."""
        phrase, origin = self.phrase or self.kind, self.origin()
        return phrase if origin is None else f"{phrase} ({origin})"


SOURCES: Registry[type[Source]] = Registry(
    "source", "clbench.data.sources", "clbench.sources", forms("clbench.schema.source:Source", "kind")
)


def data_source(kinds: Iterable[str]) -> str:
    """What a record's configuration calls the sources of a run: ``generated`` where all are, else their kinds.

    >>> data_source(["generator", "generator"]), data_source(["hub", "folder", "hub"])
    ('generated', 'folder+hub')
    """
    known, found = SOURCES.all(), sorted(set(kinds))
    if all(kind in known and known[kind].generated for kind in found):
        return "generated"
    return "+".join(found)


def reads_data_dir(named: str) -> bool:
    """Whether a run needs ``--data-dir`` whose record says ``named`` as :func:`data_source` does."""
    known = SOURCES.all()
    return any(kind == "mixed" or (kind in known and known[kind].reads_data_dir) for kind in named.split("+"))

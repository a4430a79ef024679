"""What a reader of a run's figures should be told: facts in a small form, and the sentence that each of them makes."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from clbench.schema.part import Name, Part

# Below so many test examples each of them is more than 10 points of a domain's accuracy.
ENOUGH_TEST_EXAMPLES = 10


class RunWarning(Part):
    """One fact that whoever reads a run's figures should know.

    The kinds are the keys of :data:`SENTENCES`; a record of a newer clbench may hold others. What a field means is
    said with the kind; a field that a kind has no use for is left at its default.

    Attributes:
        kind: lower-case words joined by ``_``.
        domain: the domain that it is about; null where it is about the whole run.
        count, total: how many of how many.
        limit: the bound that was met, such as tokens an example.
        experience: an experience's number, 0 at inception.
        names: domains, parts, classes, files or columns that the sentence names.
    """

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    domain: Name | None = None
    count: int | None = Field(default=None, ge=0, le=2**60)
    total: int | None = Field(default=None, ge=0, le=2**60)
    limit: int | None = Field(default=None, ge=0, le=2**60)
    experience: int | None = Field(default=None, ge=0, le=2**60)
    names: tuple[Name, ...] = ()

    @property
    def sentence(self) -> str:
        """The fact for people, in one sentence that begins with the domain's name."""
        return f"{self.domain}: {self._told()}" if self.domain is not None else self._told()

    def _told(self) -> str:
        if self.kind in SENTENCES:
            return SENTENCES[self.kind](self)
        counted = f", {_of(self)}" if self.count is not None else ""
        return f"{self.kind.replace('_', ' ')}{counted}{_listed(self.names, ': ')}."


def _of(warning: RunWarning) -> str:
    """How many of how many, with the share."""
    count, total = warning.count or 0, warning.total or 0
    if not total:
        return f"{count:,}"
    share = 100 * count / total
    shown = "less than 1" if 0 < share < 1 else "more than 99" if 99 < share < 100 else f"{share:.0f}"
    return f"{count:,} of {total:,} ({shown}%)"


def _listed(names: tuple[str, ...], before: str = "") -> str:
    return before + ", ".join(names) if names else ""


def _met_in_training(warning: RunWarning) -> str:
    whose = _listed(warning.names, " of ")
    return f"test examples that also stand in training or validation examples{whose}: {_of(warning)}."


def _one_class(warning: RunWarning) -> str:
    part, *classes = warning.names or ("test",)
    return f"every example of its {part} part has one label{_listed(tuple(classes), ', ')}."


def _few_test_examples(warning: RunWarning) -> str:
    count = warning.count or 0
    return (
        f"its test part has {count:,} example{'s' * (count != 1)}, and a domain counts as much as any other in every "
        f"mean over domains: one example is {100 / max(1, count):.0f} points of this one's accuracy."
    )


def _predicts_one_class(warning: RunWarning) -> str:
    after: dict[str, list[str]] = {}
    for experience, label in zip(warning.names[::2], warning.names[1::2], strict=False):
        after.setdefault(label, []).append(experience)
    told = "; ".join(f"{label} after {', '.join(experiences)}" for label, experiences in after.items())
    return f"the model predicts one class for every test example, though it was trained on this domain: {told}."


def _empty_texts(warning: RunWarning) -> str:
    return f"examples with an empty text: {_of(warning)}."


def _label_conflict(warning: RunWarning) -> str:
    return f"examples whose texts also stand with another label: {_of(warning)}."


def _no_gold(warning: RunWarning) -> str:
    return (
        f"rows that were dropped because nobody labelled them{_listed(warning.names, '; their label is ')}: "
        f"{_of(warning)}."
    )


def _cut_pairs(warning: RunWarning) -> str:
    return f"examples longer than {warning.limit} tokens, which were cut: {_of(warning)}."


def _quoted_columns(warning: RunWarning) -> str:
    file, *columns = warning.names or ("its file",)
    return (
        f"{file} has every field in quotes in column {', '.join(columns)}, and the quotes were read as text; "
        "give 'quoting: minimal' under 'folder' in the domain's file if a spreadsheet wrote it."
    )


def _quotes_behind_spaces(warning: RunWarning) -> str:
    file, *columns = warning.names or ("its file",)
    return (
        f"{file} has a space before the quotes around the fields of column {', '.join(columns)}, so the quotes were "
        "read as text; take the spaces out if they are no part of the text."
    )


def _nameless_head(warning: RunWarning) -> str:
    model, *labels = warning.names or ("the checkpoint",)
    return (
        f"the head of {model} names no labels (LABEL_0, LABEL_1, ..): its rows were taken as {', '.join(labels)}, in "
        "this order; if another is right, name them in id2label of its config.json, or give --labels where it is run's "
        "--model."
    )


def _below_chance(warning: RunWarning) -> str:
    model = warning.names[0] if warning.names else "the checkpoint"
    return (
        f"{model} has {_of(warning)} of the first validation examples right before any training, where chance would "
        f"have about {warning.limit}: the labels of its head may be swapped."
    )


def _busy_machine(_: RunWarning) -> str:
    return (
        "other processes were at work while latency and throughput were measured, so these say little about the model."
    )


# What tells of the machine and not of the run, and is another when the run is made again.
MEASURED = ("busy_machine",)

# kind -> what is said of it after the domain's name. Texts of a stranger's record come in through RunWarning.names
# alone, which are printable and bounded.
SENTENCES: dict[str, Callable[[RunWarning], str]] = {
    # domain; count of total test examples; names: the domains whose training or validation examples they stand in
    "met_in_training": _met_in_training,
    # domain; names: the part, its class
    "one_class": _one_class,
    # domain; count of its test examples
    "few_test_examples": _few_test_examples,
    # domain, met by then; experience: the first; names: an experience at whose end it was so, the class, and so on
    "predicts_one_class": _predicts_one_class,
    # domain; count of total examples, all parts together
    "empty_texts": _empty_texts,
    # domain; count of total examples, all parts together
    "label_conflict": _label_conflict,
    # domain; count of total rows of its files or splits; names: the labels as they are spelled there
    "no_gold": _no_gold,
    # domain; count of total examples, all parts together; limit: tokens an example
    "cut_pairs": _cut_pairs,
    # domain; names: the file, its columns
    "quoted_columns": _quoted_columns,
    "quotes_behind_spaces": _quotes_behind_spaces,
    # names: the checkpoint, the labels in the order in which its head's rows were taken
    "nameless_head": _nameless_head,
    # domain; count of total validation examples right; limit: how many chance would have right; names: the checkpoint
    "below_chance": _below_chance,
    # count of total = 100 parts of the time in which the measuring thread had a processor
    "busy_machine": _busy_machine,
}

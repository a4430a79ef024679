"""The battery of sources of data."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass, replace

import numpy as np

from clbench.data.pairs import SPLITS, DomainData
from clbench.errors import UserError
from clbench.schema.form import spelt
from clbench.schema.source import SOURCES, Request, Source
from clbench.testing.battery import (
    Check,
    CheckFailed,
    check_reads_back,
    check_refusals,
    checks_of,
    expect,
    others,
    run_all,
)

SIZES = {"train": 12, "validation": 6, "test": 8}
# The seed of Python's hashes of texts, and the program of a process that loads a source and prints the digests. It
# imports no more than it needs.
_HASHING = "PYTHONHASHSEED"
_CHILD = """
import json, pickle, sys
from clbench.schema.source import SOURCES
content, request = pickle.load(sys.stdin.buffer)
data = SOURCES.get(content["kind"]).model_validate(content).load(request)
print(json.dumps({split: pairs.digest() for split, pairs in data.splits.items()}))
"""


@dataclass(frozen=True)
class _World:
    """A source with its settings, and what is asked of it."""

    form: Source
    request: Request

    def load(self, **changes: object) -> DomainData:
        return self.form.load(replace(self.request, **changes))  # type: ignore[arg-type]


def source_checks(form: Source, label_space: Sequence[str], request: Request | None = None) -> list[Check]:
    """Every check of a source of data, one at a time: for ``pytest.mark.parametrize(.., ids=str)``.

    Args:
        form: the source with its settings, which lead to a few examples of all three parts.
        label_space: the classes that its labels become.
        request: what else is asked of it, such as the folder that paths are meant from.
    """
    asked = request or Request("example", tuple(label_space), True, SIZES)
    return checks_of(CHECKS, _World(form, replace(asked, label_space=tuple(label_space), trained_on=True)))


def check_source(form: Source, label_space: Sequence[str], request: Request | None = None) -> None:
    """Run every check of :func:`source_checks`.

    Raises:
        CheckFailed: some have failed; a line for each.
    """
    run_all(source_checks(form, label_space, request))


def bad_settings_are_refused(world: _World) -> None:
    """Nonsense in a field, and a field that it does not have, end in a sentence that names the field."""
    check_refusals(world.form, "kind")


def settings_read_back(world: _World) -> None:
    """Its settings read back from YAML as they were."""
    check_reads_back(world.form)


def identity_covers_every_field(world: _World) -> None:
    """Another value of any setting is seen in what is written of it."""
    was = world.form.model_dump(mode="json")
    for field in type(world.form).model_fields:
        if field != "kind":
            seen = [other.model_dump(mode="json") != was for other in others(world.form, field)]
            expect(bool(seen) and all(seen), f"another value of the field {field} should be seen in what is written")


def gives_every_part(world: _World) -> None:
    """It gives train, validation and test, each with texts and labels of the label space."""
    data, classes = world.load(), len(world.request.label_space)
    expect(set(SPLITS) == set(data.splits), f"it should give {', '.join(SPLITS)}, but gives {', '.join(data.splits)}")
    for split, pairs in data.splits.items():
        expect(len(pairs) > 0, f"its {split} part is empty")
        same = all(len(side) == len(pairs.labels) for side in pairs.sides)
        expect(same, f"{split}: texts and labels differ in number")
        texts = all(isinstance(text, str) for side in pairs.sides for text in side)
        expect(texts, f"its {split} part holds something that is no text")
        labels = pairs.labels
        expect(labels.dtype == np.int64, f"labels of the {split} part should be int64, but are {labels.dtype}")
        expect(
            bool(0 <= labels.min() <= labels.max() < classes),
            f"labels of the {split} part should be 0 to {classes - 1}, but are {labels.min()} to {labels.max()}",
        )


def same_settings_same_pairs(world: _World) -> None:
    """The same settings give the same examples in the same order, each time."""
    one, other = world.load(), world.load()
    _expect_same(_digests(other), _digests(one), "when it is loaded again")
    expect(one.source == other.source, "what it says of where the examples come from changes when it is loaded again")


def another_process_gives_the_same(world: _World) -> None:
    """A process of its own, in which Python's hashes have another seed and so sets another order, gives the same
    examples; asked of one that is registered, and needs no network."""
    form = world.form
    if SOURCES.all().get(form.kind) is not type(form) or form.needs_network:
        return
    hashing = "1" if os.environ.get(_HASHING) != "1" else "2"
    asked = pickle.dumps((form.model_dump(mode="json", by_alias=True), world.request))
    child = subprocess.run(
        [sys.executable, "-c", _CHILD], input=asked,
        env=os.environ | {_HASHING: hashing, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, check=False,
    )  # fmt: skip
    *_, last = child.stderr.decode(errors="replace").strip().splitlines() or [""]
    expect(child.returncode == 0, f"it cannot be loaded in a process of its own: {last}")
    _expect_same(json.loads(child.stdout.splitlines()[-1]), _digests(world.load()), "in a process of its own")


def another_working_folder_gives_the_same(world: _World) -> None:
    """Paths are meant from the domain's file, or in the folder that is given, wherever the user stands."""
    known = _digests(world.load())
    folder = world.request.folder
    request = replace(
        world.request, beside=world.request.beside.absolute(), folder=None if folder is None else folder.absolute()
    )
    try:
        with tempfile.TemporaryDirectory() as place, chdir(place):
            found = _digests(world.form.load(request))
    except UserError as error:
        raise CheckFailed(f"from another working folder it cannot be loaded: {error}") from error
    _expect_same(found, known, "from another working folder")


def gives_all_where_no_number_is_asked(world: _World) -> None:
    """One that does not make its examples gives all of them to an edition without sizes."""
    if world.form.generated:
        return
    few, every = world.load(sizes=SIZES), world.load(sizes=dict.fromkeys(SPLITS))
    for split in SPLITS:
        expect(split in every.splits, f"it gives no {split} part where no number is asked for")
        counts = len(every.splits[split]), len(few.splits[split])
        expect(counts[0] >= counts[1], f"of its {split} part it gives {counts[0]} where all are asked for, and "
               f"{counts[1]} where {SIZES[split]} are")  # fmt: skip


def _digests(data: DomainData) -> dict[str, str]:
    return {split: pairs.digest() for split, pairs in data.splits.items()}


def _expect_same(found: Mapping[str, str], known: Mapping[str, str], where: str) -> None:
    for split, digest in known.items():
        expect(found.get(split) == digest, f"its {split} part is another one {where}")


def labels_follow_the_label_space(world: _World) -> None:
    """A label is a place in the stream's label space, whatever the space's order."""
    space = world.request.label_space
    turned = world.load(label_space=tuple(reversed(space)))
    for split, pairs in world.load().splits.items():
        other = turned.splits[split]
        same = [space[label] for label in pairs.labels] == [space[-1 - label] for label in other.labels]
        expect(same, f"with the label space in another order, examples of the {split} part have other labels")


def evaluation_only_needs_no_train(world: _World) -> None:
    """A domain that is only evaluated on has the same test examples."""
    data = world.load(trained_on=False)
    expect("test" in data.splits, "it gives no test part where the domain is not trained on")
    same = data.splits["test"].digest() == world.load().splits["test"].digest()
    expect(same or world.form.generated, "the test part should not depend on whether the domain is trained on")


def says_where_pairs_come_from(world: _World) -> None:
    """What a record says of it is plain JSON values, and people are told in a line."""
    source = world.load().source
    json.dumps(source, allow_nan=False)
    odd = [name for name, value in source.items() if not isinstance(value, str | int | float)]
    expect(not odd, f"a record says text and numbers of a source, but {', '.join(odd)} is neither")
    expect(world.form.told().isprintable(), "what people are told of it should be one printable line")


def gives_as_many_as_asked(world: _World) -> None:
    """One that makes its examples makes as many as are asked for."""
    if not world.form.generated:
        return
    data = world.load(sizes=SIZES)
    for split, count in SIZES.items():
        found = len(data.splits[split])
        expect(found == count, f"its {split} part should have {count} examples, but has {found}")


def another_shift_gives_others(world: _World) -> None:
    """One that makes its examples makes others with another shift, if it says that it shifts."""
    if not world.form.generated:
        return
    near, far = world.load(sizes=SIZES, shift=0.0), world.load(sizes=SIZES, shift=1.0)
    # By a property or an attribute ``shifts``, or else by a shift in what a record says of it.
    if not getattr(world.form, "shifts", "shift" in far.source):
        return
    for split in SPLITS:
        same = near.splits[split].digest() == far.splits[split].digest()
        expect(not same, f"it says that it shifts, but its {split} part is the same with shift 0 and 1")


def draws_test_examples_anew(world: _World) -> None:
    """One that draws test examples anew draws as many as there are, none that is known, others with another seed."""
    if type(world.form).draw_anew is Source.draw_anew:
        return
    known, request = world.load(sizes=SIZES), replace(world.request, sizes=SIZES)
    size, classes = len(known.splits["test"]), len(request.label_space)
    try:
        drawn = [world.form.draw_anew(request, seed, known) for seed in (7, 7, 8)]
    except UserError:
        return  # it has no more
    expect(drawn[0].digest() == drawn[1].digest(), "examples drawn anew from the same seed are other ones")
    expect(drawn[0].digest() != drawn[2].digest(), "examples drawn anew from another seed are the same")
    for pairs in drawn[1:]:
        expect(len(pairs) == size, f"it should draw {size} test examples anew, but draws {len(pairs)}")
        for split, part in known.splits.items():
            common = len(set(part.texts()) & set(pairs.texts()))
            expect(not common, f"{common} of the examples that it draws anew stand in the {split} part")
        right = bool(((pairs.labels >= 0) & (pairs.labels < classes)).all())
        expect(
            right, f"labels of examples drawn anew should be 0 to {classes - 1}, but are {set(pairs.labels.tolist())}"
        )


def what_is_missing_is_one_sentence(world: _World) -> None:
    """Files that are not there end in a sentence, not in a traceback."""
    paths = [field for field in ("file", "path", "folder") if field in spelt(type(world.form))]
    changed = [world.form.model_copy(update={field: "no/such/file"}) for field in paths]
    asked = world.request
    if world.form.reads_data_dir and asked.folder is not None:
        changed, asked = [world.form], replace(asked, folder=asked.folder / "no such folder")
    for form in changed:
        try:
            form.load(asked)
        except UserError:
            continue
        except Exception as error:
            raise CheckFailed(f"what is not there should end in a UserError, not in {type(error).__name__}") from error
        raise CheckFailed("it gives examples out of files that are not there")


CHECKS = (
    bad_settings_are_refused, settings_read_back, identity_covers_every_field, gives_every_part,
    same_settings_same_pairs, another_process_gives_the_same, another_working_folder_gives_the_same,
    gives_all_where_no_number_is_asked, labels_follow_the_label_space, evaluation_only_needs_no_train,
    says_where_pairs_come_from, gives_as_many_as_asked, another_shift_gives_others, draws_test_examples_anew,
    what_is_missing_is_one_sentence,
)  # fmt: skip

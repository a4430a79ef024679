"""The order in which a stream's domains are met: the file's own, another that the file names, or one of the user's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clbench.errors import UserError, nearest, short
from clbench.schema.seeds import seeds_of

if TYPE_CHECKING:
    from clbench.schema.stream import OpenStream, Stream

REVERSED, ALL = "reversed", "all"
# A part of a folder's name beside a recipe's, which has 80 letters at most.
_LONGEST = 40

Order = tuple[str, ...]


def orders_in(form: Stream, domains: Sequence[str], path: Path) -> tuple[Order, ...]:
    """Every order of a stream's file, its own first.

    Args:
        form: what the file says; ``orders`` may name a domain as ``domains`` does, or by the domain's own name.
        domains: the names of those that are trained on, in the file's order.
        path: the file.

    Raises:
        UserError: one of ``orders`` is no permutation of the domains, or has come before.
    """
    found = [tuple(domains)]
    for number, wanted in enumerate(form.orders):
        where = f"{path}: field 'orders.{number}'"
        order = tuple(domains[place] for place in _places(wanted, form.domains, domains, where))
        if order in found:
            before = f"orders.{found.index(order) - 1}" if order != found[0] else "domains"
            raise UserError(f"{where} should be another order than '{before}' has, but is the same.")
        found.append(order)
    return tuple(found)


def orders_of(text: str) -> list[str]:
    """Several orders as people write them: ``all``, ``0-2``, ``0,2,reversed``; anything else is one order.

    >>> orders_of("0-1, reversed"), orders_of("mnli,snli")
    (['0', '1', 'reversed'], ['mnli,snli'])

    Raises:
        ValueError: a range of numbers that is none; the message goes behind a field's name.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(f"[0-9]+(-[0-9]+)?|{ALL}|{REVERSED}", part) for part in parts):
        return [text.strip()]
    return [one for part in parts for one in ([part] if part in (ALL, REVERSED) else map(str, seeds_of(part)))]


def all_orders(stream: OpenStream, wanted: Sequence[str], where: str) -> tuple[str, ...]:
    """The orders of a stream that ``wanted`` names, by :func:`order_name`; ``all`` are those of its file.

    Args:
        where: how a sentence begins.

    Raises:
        UserError: it has no such order, or one is named twice.
    """
    found: dict[Order, str] = {}
    named = []
    for one in wanted:
        for text in map(str, range(len(stream.orders))) if one == ALL else [one]:
            ordered = in_order(stream, text, where)
            if (before := found.setdefault(ordered.order, text)) is not text:
                raise UserError(f"{where}: {short(before)} and {short(text)} are the same order; name it once.")
            named.append(order_name(ordered))
    return tuple(named)


def in_order(stream: OpenStream, order: str | None, where: str = "--order") -> OpenStream:
    """The stream with the domains that are trained on in another order; those for evaluation only stay last.

    Everything of a run follows from it: what the model is compressed on, the fingerprint, the keys of the cache.

    Args:
        stream: as its file has it.
        order: 0 or None for the file's own order, n for the n-th of the file's ``orders``, ``reversed``, or the names
            of all domains that are trained on with commas between them.
        where: how a sentence begins.

    Raises:
        UserError: there is no such order; the sentence offers what would be right.
    """
    if order is None:
        return stream
    text = order.strip()
    names = stream.order
    if text.isdecimal():
        known = stream.orders or (names,)
        if len(text) > 3 or int(text) >= len(known):
            told = f"its file has 0 to {len(known) - 1}" if len(known) > 1 else "its file has its own alone, 0"
            raise UserError(f"{where}: stream '{stream.form.name}' has no order {short(text)}; {told}.")
        wanted: Sequence[str] = known[int(text)]
    elif text == REVERSED:
        wanted = names[::-1]
    else:
        wanted = [name.strip() for name in text.split(",")]
    last = len(stream.orders or (names,)) - 1
    others = f", or be 0{f' to {last}' if last else ''} or {REVERSED}"
    places = _places(wanted, stream.form.domains, names, where, others)
    written = tuple(stream.form.domains[place] for place in places)
    domains = tuple(stream.domains[place] for place in places)
    form = stream.form.model_copy(update={"domains": written})
    return replace(stream, form=form, domains=domains + stream.domains[len(names) :], orders=stream.orders or (names,))


def order_name(stream: OpenStream) -> str:
    """A stream's order in one word, however it was asked for: ``1``, ``reversed``, or the names of the domains with
    commas between them; empty for the file's own."""
    if not stream.file_order:
        return ""
    if stream.order in stream.orders:
        return str(stream.orders.index(stream.order))
    return REVERSED if stream.order == stream.file_order[::-1] else ",".join(stream.order)


def order_label(stream: OpenStream) -> str:
    """The same as a part of a folder's name: ``order-1``, ``order-reversed``, ``order-hans-snli-mnli``."""
    name = order_name(stream).replace(",", "-")
    return name and f"order-{name}"[:_LONGEST].rstrip("-._")


def _places(
    wanted: Sequence[str], written: Sequence[str], names: Sequence[str], where: str, others: str = ""
) -> list[int]:
    """Where in the file's order each of the ``wanted`` domains stands.

    Args:
        written: the domains as the stream's file names them, names or paths.
        names: the same by their own names.
        where: how the sentence begins.
        others: what else would be right.
    """
    own = [REVERSED] if others and len(wanted) == 1 else []
    should = f"should name each of the domains {', '.join(names)} once{others}"
    found: list[int] = []
    for one in wanted:
        place = next((at for at, both in enumerate(zip(names, written, strict=True)) if one in both), None)
        if place is None:
            raise UserError(f"{where} {should}, but names '{short(one)}'; {nearest(one, [*names, *own])}")
        if place in found:
            raise UserError(f"{where} {should}, but names '{short(one)}' twice.")
        found.append(place)
    if len(found) < len(names):
        missing = ", ".join(name for at, name in enumerate(names) if at not in found)
        raise UserError(f"{where} {should}, but leaves out {missing}.")
    return found

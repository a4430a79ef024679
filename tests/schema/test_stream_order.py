"""The order of a stream: what may be asked for, what it makes of the stream, and what is wrong told in one sentence."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml

from clbench.errors import UserError
from clbench.schema.order import in_order, order_label
from clbench.schema.spec import RunSpec, spec_of
from clbench.schema.stream import read_alone, read_stream

OWN = ("mnli", "snli", "hans")


@pytest.fixture
def ordered(small_stream: Path, tmp_path: Path) -> Path:
    """The small stream with two further orders; one of its domains lies in a file beside it."""
    return write(small_stream, tmp_path, [["hans", "mnli", "snli"], ["hans", "snli", "mnli"]])


def write(small_stream: Path, folder: Path, orders: Any, **changes: Any) -> Path:
    content = yaml.safe_load(small_stream.read_text()) | {"orders": orders} | changes
    path = folder / "ordered.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.mark.parametrize(
    ("asked", "order", "label"),
    [
        (None, OWN, ""),
        ("0", OWN, ""),
        ("mnli, snli,hans", OWN, ""),
        ("1", ("hans", "mnli", "snli"), "order-1"),
        ("hans,mnli,snli", ("hans", "mnli", "snli"), "order-1"),
        # The file's order 2 is the reversed one.
        ("reversed", ("hans", "snli", "mnli"), "order-2"),
        ("snli,mnli,hans", ("snli", "mnli", "hans"), "order-snli-mnli-hans"),
    ],
)
def test_an_order(ordered: Path, asked: str | None, order: tuple[str, ...], label: str) -> None:
    stream = in_order(read_stream(ordered), asked)
    assert (stream.order, stream.form.domains, order_label(stream)) == (order, order, label)
    assert [domain.name for domain in stream.domains] == [*order, "rte"]
    assert stream.is_evaluation_only("rte")
    assert not any(map(stream.is_evaluation_only, OWN))
    assert stream.file_order == (OWN if order != OWN else ())
    assert stream.orders == (OWN, ("hans", "mnli", "snli"), ("hans", "snli", "mnli"))
    # A record's stream: that of the file but for the order, and the orders are nowhere in it.
    plain = read_stream(ordered).form.model_dump(mode="json")
    assert "orders" not in plain
    assert stream.form.model_dump(mode="json") == plain | {"domains": list(order)}


def test_every_order_of_a_file_without_orders(small_stream: Path) -> None:
    for order in permutations(OWN):
        assert in_order(read_stream(small_stream), ",".join(order)).order == order
    assert order_label(in_order(read_stream(small_stream), "reversed")) == "order-reversed"


def test_domains_by_path(small_stream: Path, tmp_path: Path) -> None:
    """A domain may be named as in the file, or by its own name; the form keeps the path."""
    domain = {"name": "mine", "generator": {"name": "snli", "classes": ["not_entailment", "entailment"]}}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(domain))
    path = write(small_stream, tmp_path, [["./my.yaml", "mnli"]], domains=["mnli", "./my.yaml"])
    for asked in ("1", "mine,mnli", "./my.yaml,mnli", "reversed"):
        stream = in_order(read_stream(path), asked)
        assert (stream.order, stream.form.domains) == (("mine", "mnli"), ("./my.yaml", "mnli"))
        assert order_label(stream) == "order-1"


SHOULD = "--order should name each of the domains mnli, snli, hans once, or be 0 to 2 or reversed, but"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("3", "--order: stream 'small' has no order 3; its file has 0 to 2."),
        ("mnli,snly,hans", f"{SHOULD} names 'snly'; did you mean snli?"),
        ("revesed", f"{SHOULD} names 'revesed'; did you mean reversed?"),
        ("mnli,snli", f"{SHOULD} leaves out hans."),
        ("mnli,snli,snli", f"{SHOULD} names 'snli' twice."),
        ("mnli,snli,rte", f"{SHOULD} names 'rte'; "),
        ("", f"{SHOULD} names ''; "),
        ("-1", f"{SHOULD} names '-1'; "),
    ],
)  # fmt: skip
def test_what_is_no_order(ordered: Path, asked: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        in_order(read_stream(ordered), asked)
    assert str(error.value).startswith(told)


def test_a_file_without_orders_has_none(small_stream: Path) -> None:
    with pytest.raises(UserError, match=r"^--order: stream 'small' has no order 1; its file has its own alone, 0\.$"):
        in_order(read_stream(small_stream), "1")


@pytest.mark.parametrize(
    ("orders", "told"),
    [
        ([["mnli", "hans"]], "field 'orders.0' should name each of the domains mnli, snli, hans once, but leaves out "
                             "snli."),
        ([["hans", "snli", "mnli"], ["hans", "rte", "mnli"]], "field 'orders.1' should name each of the domains"),
        ([["mnli", "snli", "hans"]], "field 'orders.0' should be another order than 'domains' has, but is the same."),
        ([["hans", "snli", "mnli"]] * 2, "field 'orders.1' should be another order than 'orders.0' has, but is the"),
    ],
)  # fmt: skip
def test_mistakes_in_a_file(small_stream: Path, tmp_path: Path, orders: Any, told: str) -> None:
    path = write(small_stream, tmp_path, orders)
    with pytest.raises(UserError) as error:
        read_stream(path)
    assert str(error.value).startswith(f"{path}: {told}")


@pytest.mark.parametrize("orders", ["reversed", ["hans"], {"a": ["hans"]}, [[1, 2, 3]]])
def test_orders_of_another_kind(small_stream: Path, tmp_path: Path, orders: Any) -> None:
    with pytest.raises(UserError, match=r"field 'orders"):
        read_stream(write(small_stream, tmp_path, orders))


def test_one_domain_alone_has_no_orders(ordered: Path) -> None:
    alone = read_alone("snli", str(ordered))
    assert (alone.order, alone.file_order, alone.form.orders) == (("snli",), (), ())


@pytest.mark.parametrize(
    ("given", "text"), [(1, "1"), ("reversed", "reversed"), (["hans", "mnli", "snli"], "hans,mnli,snli"), (None, None)]
)
def test_a_run_prints_its_order(given: Any, text: str | None) -> None:
    spec = spec_of("kd-6l", "nli-shift", {"order": given})
    assert spec.order == text
    words = spec.words("0")
    assert (words[words.index("--order") + 1] if "--order" in words else None) == text
    assert "--order" not in RunSpec(order="0").words("0")


@pytest.mark.parametrize("given", [1.5, True, [1, 2], {"a": 1}])
def test_an_order_of_another_kind(given: Any) -> None:
    with pytest.raises(UserError, match="order"):
        spec_of("kd-6l", "nli-shift", {"order": given})

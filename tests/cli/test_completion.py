"""What TAB offers, as bash asks for it."""

from __future__ import annotations

import pytest
from click.shell_completion import BashComplete

from clbench.cli.main import COMMANDS, cli
from clbench.schema.shipped import names


def offered(line: str) -> list[tuple[str, str]]:
    """The type and the value of each offer for the last word of a line, which may be empty."""
    *words, last = line.split(" ")
    found = BashComplete(cli, {}, "clbench", "_CLBENCH_COMPLETE").get_completions(words, last)
    return [(item.type, item.value) for item in found]


def plain(*values: str) -> list[tuple[str, str]]:
    return [("plain", value) for value in values]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ru", plain("run", "runs")),
        ("run --model pkd-skip", plain(*(name for name in names("model") if name.startswith("pkd-skip")))),
        ("run --stream ", plain(*names("stream"))),
        ("run --strategy=ew", plain("ewc")),
        ("run --stream topics-shift --edition ", plain("embedded", "lite", "full")),
        ("run --edition li", plain("lite")),
        ("run --keep-models e", plain("end", "every")),
        ("run --track w", plain("wandb")),
        ("run --order rev", []),
        ("models magnitude", plain(*(name for name in names("model") if name.startswith("magnitude")))),
        ("sweep ", plain(*names("sweep"))),
        ("sweep board --executor r", plain("ray")),
        ("compress --domain mr", plain("mrpc")),
        ("reproduce layer-maps --backbone roberta-b", plain("roberta-base")),
        ("reproduce tick", plain("tickets")),
    ],
)
def test_names_are_completed(line: str, expected: list[tuple[str, str]]) -> None:
    assert expected or line.endswith("rev")
    assert offered(line) == expected


def test_what_is_no_name_is_a_file() -> None:
    assert offered("run --model ./my-mod") == [("file", "./my-mod")]
    assert offered("run --stream no-such-stream --edition ") == [("file", "")]


def test_every_command_that_takes_a_recipe_completes_its_name() -> None:
    found = {name for name in COMMANDS if ("plain", "pkd-skip-6l") in offered(f"{name} --model pkd-sk")}
    assert found >= {"run", "compress", "verify"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nonsense --model ", plain(*COMMANDS)),
        ("run --model  --stream ", plain(*names("stream"))),
        ("leaderboard build --stream no-file.yaml --out ", [("file", "")]),
        ("run --see", plain("--seeds")),
    ],
)
def test_a_line_that_is_wrong_yet_is_completed_as_far_as_it_goes(line: str, expected: list[tuple[str, str]]) -> None:
    assert offered(line) == expected

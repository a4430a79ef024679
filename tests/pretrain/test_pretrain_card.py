"""The card of a pre-trained backbone: from it alone the same model is made again."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from markdown_it import MarkdownIt
from pretrain_worlds import form, write_teacher, write_text

from clbench.cli.pretrain import command
from clbench.pretrain.card import Facts, pretraining_card
from clbench.runtime.device import VARIABLES
from clbench.schema.form import read_yaml
from clbench.schema.pretrain import Pretraining
from clbench.schema.shipped import ROOT

SHIPPED = ROOT / "baselines" / "pretrain" / "clbench-tiny-12l.yaml"


def card_of(made: Pretraining, kind: str = "cpu") -> str:
    facts = Facts(made, None, "tok", ["lines.txt"], 9, "unknown", kind, "a device", 1, None)
    return pretraining_card(facts, {"held_out_masked_4": 0.5}, 60.0)


def block(card: str, folder: Path) -> Path:
    """The card's one block of YAML, as a file."""
    (found,) = [token for token in MarkdownIt().parse(card.split("---\n", 2)[2]) if token.type == "fence"]
    assert found.info == "yaml"
    path = folder / "block.yaml"
    path.write_text(found.content, encoding="utf-8")
    return path


def test_what_the_card_says_makes_the_same_model_again(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_teacher(tmp_path)
    write_text(tmp_path)
    config = tmp_path / "mine.yaml"
    config.write_text(yaml.safe_dump(form(steps=2).model_dump(mode="json")))
    given = ["--config", "mine.yaml", "--text", "lines.txt.gz", "--teacher", "./t", "--out", "a"]
    # What an option leaves for processes to come is forgotten after each command.
    shell = CliRunner(env=dict.fromkeys(VARIABLES.values()))
    ran = shell.invoke(command, [*given, "--precision", "bfloat16", "--device", "cpu"])
    assert ran.exit_code == 0, ran.output
    card = (tmp_path / "a" / "model" / "README.md").read_text(encoding="utf-8")
    assert "baselines/pretrain" not in card
    assert read_yaml(block(card, tmp_path), Pretraining) == form(steps=2, precision="bfloat16")
    (told,) = re.findall(r"\| command \| `clbench pretrain (.*)` \|", card)
    block(card, tmp_path).rename(tmp_path / "tiny.yaml")
    config.unlink()
    again = [{"OUT": "b", "t": "./t"}.get(word, word) for word in shlex.split(told)]
    ran = shell.invoke(command, again)
    assert ran.exit_code == 0, ran.output
    weights = [(tmp_path / out / "model" / "model.safetensors").read_bytes() for out in ("a", "b")]
    assert weights[0] == weights[1]


def test_a_shipped_file_is_named_where_it_says_the_same_alone(tmp_path) -> None:
    shipped = read_yaml(SHIPPED, Pretraining)
    card = card_of(shipped)
    assert "clbench ships it as `baselines/pretrain/clbench-tiny-12l.yaml`." in card
    assert read_yaml(block(card, tmp_path), Pretraining) == shipped
    for changes in ({"precision": "float32"}, {"steps": 3999}, {"name": "mine"}):
        changed = shipped.model_copy(update=changes)
        card = card_of(changed)
        assert "baselines/pretrain" not in card
        assert read_yaml(block(card, tmp_path), Pretraining) == changed


@pytest.mark.parametrize("title", ["a\n```\nb", "````", "d\u00e9j\u00e0: 'vu' # no", "", "yes", "12"])
def test_the_configuration_reads_back_whatever_its_title_is(title: str, tmp_path: Path) -> None:
    made = form(title="t").model_copy(update={"citation": title})
    assert read_yaml(block(card_of(made), tmp_path), Pretraining) == made


def test_the_command_keeps_off_a_gpu_that_was_not_used() -> None:
    assert "--tokenizer tok --out OUT --device cpu`" in card_of(form())
    assert "--tokenizer tok --out OUT`" in card_of(form(), "cuda")

"""The battery of encoder families."""

from __future__ import annotations

import copy
import inspect
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from clbench.encoder.architecture import head_of
from clbench.encoder.backbone import Backbone, open_backbone
from clbench.encoder.classifier import Classifier, keep_layers, predict
from clbench.encoder.export import write_classifier
from clbench.encoder.measure import counted_flops
from clbench.encoder.rates import PARTS, dropout_places
from clbench.encoder.tokens import TokenStore, pack
from clbench.errors import UserError
from clbench.runtime.device import Device
from clbench.schema.step import Shape
from clbench.testing import encoder_parts
from clbench.testing.battery import Check, checks_of, expect, run_all
from clbench.testing.encoder_parts import CLOSE, close

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

LABELS = ("no", "yes", "perhaps")
_WORDS = ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class _World:
    """A small random model of the family in a folder, and texts of 1 token to as many as it takes."""

    config: PreTrainedConfig

    @cached_property
    def place(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory()

    @cached_property
    def folder(self) -> Path:
        """A Hugging Face folder with a head, whose weights are large enough for every part to be seen."""
        from transformers import AutoModelForSequenceClassification

        config = copy.deepcopy(self.config)
        config.id2label = dict(enumerate(LABELS))
        config.label2id = {label: number for number, label in enumerate(LABELS)}
        with torch.random.fork_rng(devices=()), torch.no_grad():
            torch.manual_seed(0)
            hf = AutoModelForSequenceClassification.from_config(config)
            for name, parameter in hf.named_parameters():
                if parameter.ndim > 1:
                    parameter.mul_(3)
                elif "bias" in name:
                    parameter.normal_(0, 0.1)
        folder = Path(self.place.name) / "model"
        write_classifier(hf, self.tokenizer, self.longest, "", folder)
        return folder

    @cached_property
    def tokenizer(self) -> Path:
        """A folder: words of one letter, joined as BERT joins pairs; the padding's number is the configuration's."""
        from tokenizers import Tokenizer, models, pre_tokenizers, processors
        from transformers import PreTrainedTokenizerFast

        names = [f"w{number}" for number in range(self.config.vocab_size - len(_WORDS))]
        padding = self.config.pad_token_id or 0
        words = [name for name in (*_WORDS, *names) if name != "[PAD]"]
        words.insert(padding, "[PAD]")
        numbers = {word: number for number, word in enumerate(words)}
        made = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
        made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        typed = (getattr(self.config, "type_vocab_size", 0) or 0) > 1
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair=f"[CLS] $A [SEP] $B:{int(typed)} [SEP]:{int(typed)}",
            special_tokens=[(name, numbers[name]) for name in ("[CLS]", "[SEP]")],
        )  # fmt: skip
        made.add_special_tokens(list(_WORDS))
        inputs = ["input_ids", *(["token_type_ids"] if typed else []), "attention_mask"]
        special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        folder = Path(self.place.name) / "tokenizer"
        PreTrainedTokenizerFast(tokenizer_object=made, model_input_names=inputs, **special).save_pretrained(folder)
        return folder

    @property
    def longest(self) -> int:
        return min(48, int(getattr(self.config, "max_position_embeddings", 64)) - 8)

    @cached_property
    def backbone(self) -> Backbone:
        return open_backbone(self.folder)

    @cached_property
    def loaded(self) -> Classifier:
        return self.backbone.trained(LABELS).eval()

    def model(self) -> Classifier:
        """A fresh copy, which reads the examples."""
        return copy.deepcopy(self.loaded).with_tokens(self.pairs)

    def texts(self, seed: int) -> list[str]:
        """Of 0 words, 1 word, .. up to more than there is room for."""
        draw = np.random.default_rng(seed)
        lengths = [0, 1, 2, 5, 17, 30, self.longest + 9]
        return [" ".join(f"w{n}" for n in draw.integers(0, self.config.vocab_size - 9, size)) for size in lengths]

    @cached_property
    def pairs(self) -> TokenStore:
        return pack(self.backbone.tokenizer(), self.texts(1), self.texts(2)[::-1], self.longest)

    @cached_property
    def singles(self) -> TokenStore:
        return pack(self.backbone.tokenizer(), self.texts(1), None, self.longest)


def encoder_checks(config: PreTrainedConfig) -> list[Check]:
    """Every check of an encoder family, one at a time: for ``pytest.mark.parametrize(.., ids=str)``.

    Args:
        config: a small model's configuration, as transformers makes it: three layers or more where it can lose some,
            four heads, a hundred words, room for 64 tokens.
    """
    return checks_of(CHECKS, _World(config))


def check_encoder(config: PreTrainedConfig) -> None:
    """Run every check of :func:`encoder_checks`.

    Raises:
        CheckFailed: some have failed; a line for each.
    """
    run_all(encoder_checks(config))


def plain(hf: PreTrainedModel, store: TokenStore) -> Any:
    """What transformers says of all rows in one padded batch, with every hidden state."""
    lengths = torch.from_numpy(store.lengths)
    place = torch.arange(int(lengths.max()))
    mask = place < lengths[:, None]
    ids = torch.full(mask.shape, hf.config.pad_token_id or 0)
    ids[mask] = store.ids
    inputs = {"input_ids": ids, "attention_mask": mask.long()}
    if (getattr(hf.config, "type_vocab_size", 0) or 0) > 1:
        second = place >= torch.from_numpy(store.seconds)[:, None]
        inputs["token_type_ids"] = (second & mask & store.template.typed).long()
    allowed = inspect.signature(type(hf).forward).parameters
    return hf(**{name: value for name, value in inputs.items() if name in allowed}, output_hidden_states=True)


def logits_and_states_are_transformers(world: _World) -> None:
    """Logits and hidden states, of pairs and of single texts, are those of transformers' padded batch."""
    for store in (world.pairs, world.singles):
        model, rows = world.model().with_tokens(store), torch.arange(len(store))
        with torch.inference_mode():
            theirs = plain(model.hf, store)
            batch, states, firsts, logits = model.read(rows.flip(0))
            others, again = model.states_and_logits(rows)
            more = model.family.logits(
                model.hf, batch.rounded() if model.packed else batch, packed=model.packed, used=None
            )
        for said, name in ((logits, "logits"), (more, "logits beside tokens that nobody asked for")):
            close(said.flip(0), theirs.logits, name)
        close(again, theirs.logits, "logits of the rows' first tokens")
        close(firsts.flip(1), others, "the first tokens' states, read beside those of all tokens")
        expect(len(states) == len(theirs.hidden_states), f"{len(states)} states of {len(theirs.hidden_states)} depths")
        for depth, (ours, full) in enumerate(zip(states, theirs.hidden_states, strict=True)):
            at = batch.owners[batch.mask], batch.positions[batch.mask]
            close(ours[batch.mask], full.flip(0)[at], f"states at depth {depth}")


def gradients_are_transformers(world: _World) -> None:
    """Every parameter's gradient is that of transformers' padded batch."""
    found = []
    for forward in (lambda m: plain(m.hf, world.pairs).logits, lambda m: m(torch.arange(len(world.pairs)))):
        model = world.model()
        forward(model).square().sum().backward()
        found.append({name: p.grad for name, p in model.hf.named_parameters()})
    theirs, ours = found
    for name, gradient in theirs.items():
        if gradient is not None and gradient.abs().max() > 0:
            expect(ours[name] is not None, f"{name} has no gradient")
            close(ours[name], gradient, f"the gradient of {name}")


def parameters_are_planned(world: _World) -> None:
    """The sizes that a plan reads count the encoder's parameters, and the head's, also without the last layer."""
    shape, model = world.backbone.shape, world.model()
    counted = sum(p.numel() for p in model.encoder.parameters())
    expect(Shape.of(shape).parameters == counted, f"{Shape.of(shape).parameters:,} planned, {counted:,} counted")
    head = shape.head_besides + len(LABELS) * (shape.head_width + 1)
    expect(counted + head == model.hf.num_parameters(), f"the head is counted as {head:,} parameters")
    tables = sum(m.weight.numel() for m in model.hf.modules() if isinstance(m, nn.Embedding))
    expect(0 < tables < counted, f"the tables of embeddings hold {tables:,} of {counted:,} parameters")
    more, less = (counted_flops(model.hf, length) for length in (world.longest, world.longest // 2))
    expect(more > less > 0, f"{more:,} operations for {world.longest} tokens, {less:,} for half as many")


def layers_can_be_removed(world: _World) -> None:
    """A model without some layers, the first one too, is read again as it was written; or it says that none can go."""
    model, rows = world.model(), torch.arange(len(world.pairs))
    depth = model.config.num_hidden_layers
    for kept in (list(range(1, depth)), list(range(2, depth + 1))):
        model = world.model()
        try:
            keep_layers(model, kept)
        except UserError:
            expect(model.family.shares_layers, "it refuses to lose layers, but does not say shares_layers")
            return
        expect(len(model.layers) == model.config.num_hidden_layers == depth - 1, "the layers that are left are wrong")
        with torch.inference_mode():
            close(model(rows), plain(model.hf, world.pairs).logits, f"logits with the layers {kept}")
        with _again(world, model) as (again, theirs):
            close(predict(again.with_tokens(world.pairs), rows), predict(model, rows), f"logits of layers {kept}, read")
            with torch.inference_mode():
                close(plain(theirs, world.pairs).logits, predict(model, rows), f"transformers' of layers {kept}, read")


def layers_can_be_left_out(world: _World) -> None:
    """A layer that LayerDrop leaves out passes on what it was given, be it one or all; with all of them in use nothing
    changes."""
    model, rows = world.model(), torch.arange(len(world.pairs))
    depth = model.config.num_hidden_layers
    whole = predict(model, rows)
    every, none = [True] * depth, [False] * depth
    for used in (every, [False, *every[1:]], [*every[1:], False], none):
        with torch.inference_mode():
            batch = world.pairs.batch(rows)
            states, logits = model.family.states_and_logits(model.hf, batch, packed=model.packed, used=used, every=True)
        expect(len(states) == depth + 1, f"{len(states)} states of {depth} layers")
        for layer, use in enumerate(used):
            same = torch.equal(states[layer], states[layer + 1])
            norm = model.family.final_norm(model.encoder) is not None and layer == depth - 1 and used != none
            expect(same != use or norm, f"layer {layer + 1} of {used} is not left out as asked")
        expect(bool(torch.allclose(logits, whole, atol=CLOSE)) == all(used), f"the logits of {used} are wrong")


def dropout_is_where_it_is_asked(world: _World) -> None:
    """Each part that has dropout gets its rate, apart from the others; the configuration keeps it."""
    places = {place.part for place in dropout_places(world.model().hf)}
    expect(bool(places), "no dropout rate follows from the configuration")
    rows = torch.arange(len(world.pairs))
    for part in PARTS:
        model = world.model()
        rates = dict.fromkeys(PARTS, 0.0) | {part: 0.5}
        try:
            model.set_dropout(rates)
        except UserError:
            expect(part not in places, f"a rate for {part} is refused")
            continue
        expect(part in places, f"a rate for {part} is taken, though there is no such dropout")
        found = [_trained(model, rows, seed) for seed in (0, 0, 1)]
        expect(torch.equal(found[0], found[1]), f"two passes of one seed differ, with dropout in {part}")
        expect(not torch.allclose(found[0], found[2]), f"dropout in {part} drops nothing")
        model.set_dropout(0.0)
        close(_trained(model, rows, 0), predict(model, rows), "logits in training without dropout")


def bfloat16_is_float32_within_rounding(world: _World) -> None:
    """As a GPU computes by default; or it is refused in a sentence."""
    rows, device = torch.arange(len(world.pairs)), Device("cpu", "bfloat16")
    try:
        model = world.model().with_tokens(world.pairs.on(device))
    except UserError:
        return
    exact, found = [predict(world.model(), rows)], [predict(model, rows)]
    for one, said in ((world.model(), exact), (model, found)):
        one.set_dropout(0.0)
        one.train()(rows).square().sum().backward()
        said.append(torch.cat([p.grad.flatten() for p in one.parameters() if p.grad is not None]))
    expect(found[1].dtype == torch.float32, "a gradient is not float32")
    for full, low, name in zip(exact, found, ("logits", "gradients"), strict=True):
        apart = float((full - low).norm() / full.norm())
        expect(apart < 0.1, f"the {name} in bfloat16 are apart by {apart:.2g} of their norm")


def a_folder_is_a_checkpoint(world: _World) -> None:
    """What is written is read by plain transformers, with the same logits and tokens."""
    from transformers import AutoTokenizer

    model, rows = world.model(), torch.arange(len(world.pairs))
    with _again(world, model) as (again, theirs), torch.inference_mode():
        close(predict(again.with_tokens(world.pairs), rows), predict(model, rows), "logits, written and read")
        close(plain(theirs, world.pairs).logits, predict(model, rows), "logits of plain transformers")
    tokens = AutoTokenizer.from_pretrained(world.folder)(
        world.texts(1), world.texts(2)[::-1], truncation="longest_first", max_length=world.longest
    )["input_ids"]
    for row, ids in enumerate(tokens):
        begin, end = world.pairs.offsets[row : row + 2]
        expect(world.pairs.ids[begin:end].tolist() == ids, f"transformers makes other tokens of row {row}")


def a_head_is_drawn_from_its_seed(world: _World) -> None:
    """A fresh head depends on the seed alone, and torch's generator is left as it was."""
    state = torch.get_rng_state()
    one, same, other = (world.backbone.classifier(2, seed).hf.state_dict() for seed in (1, 1, 2))
    expect(torch.equal(state, torch.get_rng_state()), "torch's generator has moved")
    expect(all(torch.equal(one[name], same[name]) for name in one), "one seed gives two heads")
    last = f"{head_of(world.model().hf)}.weight"
    expect(not torch.equal(one[last], other[last]), "two seeds give the same head")
    theirs = world.model().hf.state_dict()
    prefix = f"{world.model().hf.base_model_prefix}."
    kept = [name for name in one if name.startswith(prefix)]
    expect(all(torch.equal(one[name], theirs[name]) for name in kept), "the encoder's weights are not the folder's")


CHECKS = (
    logits_and_states_are_transformers, gradients_are_transformers, parameters_are_planned, layers_can_be_removed,
    layers_can_be_left_out, dropout_is_where_it_is_asked, bfloat16_is_float32_within_rounding, *encoder_parts.CHECKS,
    a_folder_is_a_checkpoint, a_head_is_drawn_from_its_seed,
)  # fmt: skip


@contextmanager
def _again(world: _World, model: Classifier) -> Iterator[tuple[Classifier, PreTrainedModel]]:
    """The model written to a folder, and read by clbench and by transformers."""
    from transformers import AutoModelForSequenceClassification

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "again"
        write_classifier(model.hf, world.tokenizer, world.longest, "", folder)
        theirs = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        yield open_backbone(folder).trained(LABELS).eval(), theirs


def _trained(model: Classifier, rows: Tensor, seed: int) -> Tensor:
    """Logits in training mode."""
    with torch.random.fork_rng(devices=()), torch.inference_mode():
        torch.manual_seed(seed)
        found: Tensor = model.train()(rows)
    model.eval()
    return found

"""Nomic BERT: rotary positions and gated feed-forward parts. Published checkpoints have GPT-2's names and code of their
own, which transformers has taken in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clbench.encoder.family import Family
from clbench.errors import UserError
from clbench.schema.form import shown

# What a published config.json says, where it says so; else as its authors' code takes it.
_SAID: dict[str, Any] = {
    "n_embd": 768, "n_layer": 12, "n_head": 12, "n_inner": None, "n_positions": 1024, "max_trained_positions": 2048,
    "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "rotary_emb_base": 10_000, "resid_pdrop": 0.1,
    "attn_pdrop": 0.1,
}  # fmt: skip
# What transformers' class computes alone, and what the authors' code does where nothing is said.
_ALONE: dict[str, tuple[Any, Any]] = {
    "rotary_emb_fraction": (1.0, 0.0), "rotary_emb_interleaved": (False, False), "rotary_emb_scale_base": (None, None),
    "prenorm": (False, False), "parallel_block": (False, False), "causal": (False, False),
    "use_rms_norm": (False, False), "scale_attn_weights": (True, True), "qkv_proj_bias": (False, True),
    "mlp_fc1_bias": (False, True), "mlp_fc2_bias": (False, True),
}  # fmt: skip
_GATES = {"swiglu": "silu", "geglu": "gelu"}
# Units of a gated part are rounded up to a multiple of it.
_UNITS = 256
# What has the same name and meaning in both.
_KEPT = (
    "model_type", "vocab_size", "type_vocab_size", "initializer_range", "pad_token_id", "bos_token_id", "eos_token_id",
    "classifier_dropout", "problem_type", "id2label", "label2id",
)  # fmt: skip


class _NomicBert(Family):
    taken_in = True
    # Of a checkpoint with its head for masked words; those that are tuned for sentences have no prefix.
    renamed: Mapping[str, str] = {r"^bert\.": "nomic_bert."}

    def settings(self, told: dict[str, Any], origin: str) -> dict[str, Any]:
        if "n_embd" not in told:
            return told
        said = {name: told.get(name, default) for name, default in _SAID.items()}
        for name, (computed, default) in _ALONE.items():
            if (found := told.get(name, default)) != computed:
                raise _refused(origin, name, f"{shown(computed)}, which transformers' NomicBert computes alone", found)
        gate = said["activation_function"]
        if gate not in tuple(_GATES):
            raise _refused(origin, "activation_function", f"one of {', '.join(_GATES)}", gate)
        for name in ("n_embd", "n_layer", "n_head", "n_positions", "max_trained_positions", "n_inner"):
            if name == "n_inner" and said[name] is None:
                said[name] = 4 * said["n_embd"]
            if type(said[name]) is not int or said[name] < 1:
                raise _refused(origin, name, "a whole number above 0", said[name])
        return {name: told[name] for name in _KEPT if told.get(name) is not None} | {
            "hidden_size": said["n_embd"], "num_hidden_layers": said["n_layer"], "num_attention_heads": said["n_head"],
            "intermediate_size": -(-said["n_inner"] // _UNITS) * _UNITS, "hidden_act": _GATES[gate],
            # Beyond those that it was trained with the authors' code may turn positions otherwise.
            "max_position_embeddings": min(said["n_positions"], said["max_trained_positions"]),
            "layer_norm_eps": said["layer_norm_epsilon"], "hidden_dropout_prob": said["resid_pdrop"],
            "attention_probs_dropout_prob": said["attn_pdrop"],
            "rope_parameters": {"rope_type": "default", "rope_theta": said["rotary_emb_base"]},
        }  # fmt: skip


def _refused(origin: str, name: str, right: str, found: Any) -> UserError:
    return UserError(f"{origin}: config.json: '{name}' should be {right}, but is {shown(found)}.")


nomic_bert = _NomicBert("Nomic BERT", ("nomic_bert",))

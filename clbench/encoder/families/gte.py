"""GTE, the general text embeddings' encoder of 2024: rotary positions and gated feed-forward parts."""

from clbench.encoder.family import Family

gte = Family("GTE", ("gte",))

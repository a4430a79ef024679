"""Nomic BERT: rotary positions and gated feed-forward parts."""

from clbench.encoder.family import Family

nomic_bert = Family("Nomic BERT", ("nomic_bert",))

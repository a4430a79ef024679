"""ELECTRA: embeddings that may be narrower than the layers."""

from clbench.encoder.family import Family

electra = Family("ELECTRA", ("electra",))

"""RemBERT: embeddings that are narrower than the layers; its attention is its own, so its rows are padded."""

from clbench.encoder.family import Family

rembert = Family("RemBERT", ("rembert",), flat=False)

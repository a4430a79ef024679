"""Jina embeddings v3: XLM-RoBERTa with rotary positions."""

from clbench.encoder.family import Family

jina = Family("Jina embeddings v3", ("jina_embeddings_v3",))

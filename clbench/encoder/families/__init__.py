"""Encoder families of transformers, a file each: what looking at a model does not tell."""

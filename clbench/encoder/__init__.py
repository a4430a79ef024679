"""BERT-like encoders: packed tokens, a forward pass that computes no padding, backbones."""

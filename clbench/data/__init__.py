"""From a domain to pairs, and from pairs to packed tokens."""

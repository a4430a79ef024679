"""From a domain to examples, and from examples to packed tokens."""

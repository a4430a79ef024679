"""DistilBERT: no token types, and a head of its own before the classifier."""

from clbench.encoder.family import Family

distilbert = Family("DistilBERT", ("distilbert",))

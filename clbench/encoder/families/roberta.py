"""RoBERTa and what was made like it: positions start after the padding's, and there is one token type."""

from clbench.encoder.family import Family


class _Roberta(Family):
    after_padding = True


roberta = _Roberta("RoBERTa, XLM-RoBERTa, CamemBERT", ("roberta", "xlm-roberta", "camembert"))

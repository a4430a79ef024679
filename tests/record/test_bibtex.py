"""What a run stands on, as BibTeX: every shipped citation read, nothing lost, nothing said twice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from record_worlds import record as a_record

from clbench.cli.cite import command
from clbench.record import write_record
from clbench.record.bibtex import Work, bibtex, works
from clbench.schema.shipped import FOLDERS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("citation", "expected"),
    [
        (
            "Li and Hoiem 2016, Learning without forgetting, ECCV, arXiv:1606.09282",
            [("Li and Hoiem", "2016", "Learning without forgetting", "ECCV", "1606.09282")],
        ),
        (
            "Sanh et al. 2019, DistilBERT, a distilled version of BERT, arXiv:1910.01108, section 3 (the triple loss)",
            [("Sanh and others", "2019", "DistilBERT, a distilled version of BERT", "", "1910.01108")],
        ),
        (
            "Kirkpatrick et al. 2017, Overcoming catastrophic forgetting, PNAS 114(13), arXiv:1612.00796",
            [("Kirkpatrick and others", "2017", "Overcoming catastrophic forgetting", "PNAS 114(13)", "1612.00796")],
        ),
        (
            "Dagan, Glickman and Magnini 2006, The PASCAL challenge, as gathered by Wang et al. 2019, GLUE, ICLR, "
            "arXiv:1804.07461",
            [
                ("Dagan and Glickman and Magnini", "2006", "The PASCAL challenge", "", ""),
                ("Wang and others", "2019", "GLUE", "ICLR", "1804.07461"),
            ],
        ),
        (
            "Clark et al. 2020, ELECTRA (arXiv 2003.10555)",
            [("Clark and others", "2020", "ELECTRA", "", "2003.10555")],
        ),
        ("made by us from MiniLM (Wang et al. 2020, arXiv 2002.10957)", [("", "", "", "", "2002.10957")]),
        (
            "Hinton et al. 2015, Distilling, arXiv:1503.02531, section 2; as the baseline of arXiv:1908.09355, eq. 6",
            [("Hinton and others", "2015", "Distilling", "", "1503.02531"), ("", "", "", "", "1908.09355")],
        ),
        ("none stated", []),
        ("no paper: the commonest class, the usual lower reference", []),
    ],
)
def test_a_citation_is_read(citation: str, expected: list[tuple[str, ...]]) -> None:
    assert [(w.authors, w.year, w.title, w.venue, w.arxiv) for w in works(citation)] == expected


def shipped() -> list[tuple[str, str]]:
    files = [path for folder in FOLDERS.values() for path in sorted(folder.rglob("*.yaml"))]
    told = [(path.name, (yaml.safe_load(path.read_text()) or {}).get("citation")) for path in files]
    return sorted({(name, citation) for name, citation in told if citation})


def test_of_every_shipped_citation_no_paper_is_lost() -> None:
    pieces = shipped()
    assert len(pieces) > 60
    for name, citation in pieces:
        found = works(citation)
        named = re.findall(r"arXiv[: ](\d{4}\.\d{5})", citation)
        told = " ".join(work.arxiv + work.note for work in found)
        assert all(one in told for one in named), name
        assert all(len(work.title) < 150 and "arXiv" not in work.title for work in found), name


def entries(text: str) -> dict[str, str]:
    return dict(re.findall(r"@\w+\{([^,]+),\n(.*?)\n\}", text, re.DOTALL))


def test_what_a_record_names_stands_once(tmp_path: Path) -> None:
    record = a_record()
    told = record.configuration
    one = told.model_copy(update={
        "model": {**told.model, "citation": "Sun et al. 2019, Patient & 50% of it, EMNLP, arXiv:1908.09355, eq. 8",
                  "steps": [{"step": "distill", "teacher": {"name": "t", "citation":
                             "Sun et al. 2019, Patient again, arXiv:1908.09355"}}]},
        "strategy": {**told.strategy, "citation": "Sun et al. 2019, Patient indeed, ACL, arXiv:1111.11111"},
    })  # fmt: skip
    text = bibtex([record.model_copy(update={"configuration": one})])
    found = entries(text)
    assert r"title = {{Patient \& 50\% of it}}" in found["sun2019patient"]
    assert "eprint = {1111.11111}" in found["sun2019patientb"]
    assert text.count("1908.09355") == 1
    assert "recipe t" in text
    assert "clbench" in found
    write_record(tmp_path, record)
    out = tmp_path / "cites.bib"
    result = CliRunner().invoke(command, [str(tmp_path), "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert out.read_text() == bibtex([record])


def test_two_works_of_one_name_have_two_keys() -> None:
    first = Work("Sun", "2019", "Patient one", "", "", "")
    assert first.key == "sun2019patient"
    assert Work("Øre and Sun", "2020", "", "", "", "").key == "re2020"

"""The licence stands in full, the package and the bundled weights name it, and CITATION.cff has what a reader needs."""

import tomllib
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]


def test_package_and_bundled_weights_are_under_the_licence_in_the_repository() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.split()[:3] == ["Apache", "License", "Version"]
    assert "END OF TERMS AND CONDITIONS" in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
    card = (ROOT / "models/miniature/README.md").read_text()
    assert YAML(typ="safe").load(card.split("---\n")[1])["license"] == "apache-2.0"


def test_the_citation_has_the_required_keys_and_both_papers() -> None:
    citation = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    papers = {paper["identifiers"][0]["value"]: paper for paper in citation["references"]}
    assert set(papers) == {"arXiv:2508.03535", "arXiv:2507.23372"}
    for number, paper in papers.items():
        assert {"type", "title", "authors"} <= set(paper)
        assert paper["url"] == f"https://arxiv.org/abs/{number.removeprefix('arXiv:')}"
        assert all({"family-names", "given-names"} == set(author) for author in paper["authors"])

import re
import shutil
import subprocess

import pytest
from helpers.records import failed_record, seeds
from helpers.table_rows import TABLE

from ebmood.results.tables import all_tables
from ebmood.results.tables.latex import latex_escape
from ebmood.results.tables.table import Column, Table


def test_latex_escapes_every_special_character():
    assert latex_escape(r"a_b & 5 % #1 $x ^ ~ \ {}") == (
        r"a\_b \& 5 \% \#1 \$x \textasciicircum{} \textasciitilde{} \textbackslash{} \{\}"
    )
    assert latex_escape("0.5 ± 0.1, γ = 1, –") == r"0.5 $\pm$ 0.1, $\gamma$ = 1, --"
    assert latex_escape("-5.2 [-9.0, +1.0] non-natural 2020-01") == (
        "$-$5.2 {[}$-$9.0, +1.0] non-natural 2020-01"
    )


def test_latex_is_balanced_and_has_one_ampersand_between_cells():
    tex = TABLE.latex()
    bare = tex.replace("\\{", "").replace("\\}", "")
    assert bare.count("{") == bare.count("}")
    assert r"\begin{tabular}{lrrr}" in tex
    rows = [line for line in tex.splitlines() if line.endswith(r" \\")]
    assert len(rows) == 3
    assert all(len(re.findall(r"(?<!\\)&", row)) == 3 for row in rows)
    assert not re.search(r"(?<!\\)[%#_]", "".join(rows))


def test_latex_scales_down_only_tables_larger_than_a_page():
    def grid(columns: int, rows: int) -> str:
        row = ("some words here",) * columns
        return Table("t", "T", tuple(Column(f"c{i}", "c") for i in range(columns)), (row,) * rows).latex()

    assert "resizebox" not in grid(3, 20)
    assert "graphicx" not in grid(3, 20)
    assert r"\resizebox{\linewidth}{!}{%" in grid(12, 20)
    assert r"\resizebox{!}{0.9\textheight}{%" in grid(3, 200)
    assert all(tex.count("{") == tex.count("}") for tex in (grid(3, 20), grid(12, 20), grid(3, 200)))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_every_table_compiles_and_fits_a_page(tmp_path):
    records = [
        *seeds(5, "ssm", variant="paper", degenerate="a_constant & 5 % of {it} ~ ^ \\ # $x$ <b> | `y` [z]"),
        *seeds(5, "ssm"),
        *[record for gamma in (0.01, 1.0, 100.0) for record in seeds(5, "ssm", 0.7, gamma=gamma)],
        *seeds(5, "radial"),
        failed_record("vera", 0, "a_b & c % # $ {x} ~ ^ \\ <y> | `z` [w]"),
    ]
    inputs = []
    for table in all_tables(records):
        (tmp_path / f"{table.name}.tex").write_text(table.latex())
        inputs.append(rf"\input{{{table.name}}}\clearpage")
    head = [r"\documentclass{article}", r"\usepackage{booktabs,graphicx}", r"\begin{document}"]
    (tmp_path / "all.tex").write_text("\n".join([*head, *inputs, r"\end{document}", ""]))
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    for complaint in ("Overfull", "Float too large", "Missing character"):
        assert complaint not in done.stdout, done.stdout[-2000:]

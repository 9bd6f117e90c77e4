"""`ebmood fit` and `ebmood score` give finite scores for any table, or one line that says what is wrong."""

import csv
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.run_cli import run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CELLS = st.one_of(
    st.floats(width=32).map(repr),
    st.integers(-(2**60), 2**60).map(str),
    st.sampled_from(["", "0", "1e300", "-1e300", "nan", "inf", "Oslo", '"', "a,b", "\ufeff", "\n"]),
)
NUMBERS = st.floats(-1e6, 1e6).map(repr)


@st.composite
def tables(draw) -> str:
    columns = draw(st.integers(1, 3))
    names = draw(
        st.lists(st.text(max_size=3), min_size=columns, max_size=columns, unique=draw(st.booleans()))
    )
    cells = draw(st.sampled_from([NUMBERS, NUMBERS, CELLS]))
    rows = draw(st.lists(st.lists(cells, min_size=columns, max_size=columns), max_size=8))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([names, *rows * draw(st.integers(1, 3))])
    return text.getvalue() + draw(
        st.sampled_from(["", "1\n", '"', "1,2,3,4,5\n"]) if draw(st.booleans()) else st.just("")
    )


@pytest.mark.filterwarnings(
    "ignore::ebmood.core.errors.SelfTestWarning",
    "ignore::ebmood.core.errors.CalibrationWarning",
    "ignore::ebmood.core.errors.DataWarning",
)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    fitted=tables(),
    scored=st.one_of(st.none(), tables()),
    options=st.sampled_from([(), ("--category", "*")]),
)
def test_any_table_is_scored_or_refused(fitted, scored, options):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder)
        for name, text in (("fit", fitted), ("new", fitted if scored is None else scored)):
            (path / f"{name}.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
        code, _, err = run(patch, "fit", path / "fit.csv", "-o", path / "model", *options)
        if code == 0:
            code, _, err = run(patch, "score", path / "model", path / "new.csv", "-o", path / "scores.csv")
            if code == 0:
                scores = pd.read_csv(path / "scores.csv")
                assert np.isfinite(scores["score"]).all()
                assert scores["p_value"].between(0, 1, inclusive="right").all()
                return
            assert not (path / "scores.csv").exists()
        else:
            assert not (path / "model").exists()
        assert code == 2
        assert err.splitlines()[-1].startswith("ebmood: ")
        assert "Traceback" not in err

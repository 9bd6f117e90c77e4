import json

import numpy as np
import pandas as pd
import pytest
from helpers.cell_tables import COLUMNS, prepare
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors


def distance_to_fifth_neighbour(tables, table: pd.DataFrame) -> np.ndarray:
    """Return distances to the fifth nearest training row, after imputation and standardization."""
    training, rows = (frame[COLUMNS] for frame in (pd.read_csv(tables / "fit.csv"), table))
    median = training.median()
    mean, deviation = training.fillna(median).mean(), training.fillna(median).std()
    training, rows = ((frame.fillna(median) - mean) / deviation for frame in (training, rows))
    neighbours = NearestNeighbors(n_neighbors=5).fit(training.to_numpy())
    return neighbours.kneighbors(rows.to_numpy())[0][:, -1]


def test_malignant_cells_are_separated_as_well_as_by_nearest_neighbours(ebmood, model, tables):
    sets = ("--in", tables / "in.csv", "--out", tables / "out.csv", tables / "out.parquet")
    code, out, _ = ebmood("evaluate", model, *sets, "--json")
    assert code == 0
    result = json.loads(out)
    assert [table["rows"] for table in result["out"]] == [100, 112]
    inside = pd.read_csv(tables / "in.csv")
    outside = pd.read_csv(tables / "out.csv"), pd.read_parquet(tables / "out.parquet")
    for each, others in zip(result["out"], outside, strict=True):
        scores = [
            detector.score_samples(x) for x, detector in (prepare(model, table) for table in (inside, others))
        ]
        is_outlier = np.repeat([0, 1], [len(part) for part in scores])
        assert each["auroc"] == pytest.approx(roc_auc_score(is_outlier, -np.concatenate(scores)))
        distances = [distance_to_fifth_neighbour(tables, table) for table in (inside, others)]
        assert each["auroc"] > roc_auc_score(is_outlier, np.concatenate(distances)) - 0.02
        assert each["flagged"] > 0.4
    assert result["in"]["flagged"] < 0.2
    assert result["false_alarm_rate"] == 2 / 51
    code, out, _ = ebmood("evaluate", model, *sets)
    assert code == 0
    assert f"{result['out'][1]['auroc']:.3f}" in out
    assert f"expected fraction of flagged normal rows is {2 / 51:.3f}" in out


def test_the_page_is_written_with_the_metrics(ebmood, model, tables, tmp_path):
    sets = ("--in", tables / "in.csv", "--out", tables / "out.csv", "--drop", "id")
    code, _, err = ebmood("evaluate", model, *sets, "--page", tmp_path / "page.html", "--json")
    assert code == 0, err
    assert "out: AUROC" in (tmp_path / "page.html").read_text()


@pytest.fixture
def labelled(tables, tmp_path):
    """A table of the normal rows and of the others, mixed, with labels."""
    parts = (
        pd.read_csv(tables / "in.csv").assign(state="fine"),
        pd.read_csv(tables / "out.csv").assign(state="ill"),
    )
    table = pd.concat(parts).sample(frac=1, random_state=0)
    path = tmp_path / "labelled.csv"
    table.assign(outlier=(table["state"] == "ill").astype(int)).to_csv(path, index=False)
    return path


def test_one_labelled_table_has_the_results_of_two_tables(ebmood, model, tables, labelled):
    code, out, err = ebmood(
        "evaluate", model, "--in", tables / "in.csv", "--out", tables / "out.csv", "--json"
    )
    assert code == 0, err
    expected = json.loads(out)
    for options in (
        ("--label-column", "outlier", "--drop", "state"),
        ("--label-column", "state", "--outlier", "ill", "--drop", "outlier"),
    ):
        code, out, err = ebmood("evaluate", model, labelled, *options, "--json")
        assert code == 0, err
        result = json.loads(out)
        assert result["in"] | {"table": ""} == expected["in"] | {"table": ""}
        assert result["out"][0] | {"table": ""} == expected["out"][0] | {"table": ""}
    assert result["in"]["table"] == f"{labelled}, normal"


def test_the_page_of_a_labelled_table_names_rows_by_their_numbers(ebmood, model, labelled, tmp_path):
    options = ("--label-column", "outlier", "--drop", "state", "--page", tmp_path / "page.html")
    code, _, err = ebmood("evaluate", model, labelled, *options)
    assert code == 0, err
    page = (tmp_path / "page.html").read_text()
    assert "labelled, outliers: AUROC" in page
    outliers = np.flatnonzero(pd.read_csv(labelled)["outlier"])
    assert any(f">row {row + 1}<" in page for row in outliers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "evaluate: give --in and --out, or one table with --label-column"),
        (("--in", "a.csv"), "evaluate: give --in and --out, or one table with --label-column"),
        (("t.csv", "--label-column", "y", "--in", "a.csv"), "--label-column: give one table after the model"),
        (("--label-column", "y"), "--label-column: give one table after the model"),
        (
            ("LABELLED", "--label-column", "state", "--drop", "outlier"),
            "column 'state' holds 'fine', 'ill'; name",
        ),
        (("LABELLED", "--label-column", "none"), "--label-column none: no such column"),
    ],
)
def test_labels_that_do_not_fit_are_one_line(ebmood, model, labelled, options, message):
    words = [labelled if word == "LABELLED" else word for word in options]
    code, _, err = ebmood("evaluate", model, *words)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_training_rows_are_no_normal_rows_for_an_evaluation(ebmood, model, tables):
    words = ("evaluate", model, "--out", tables / "out.csv", "--in")
    code, _, err = ebmood(*words, tables / "fit.csv")
    assert code == 0
    line = "fit.csv: 80% of the rows equal training rows, whose scores are higher than those of other rows"
    assert line in err
    assert any(
        "80% of the rows equal" in note
        for note in json.loads(ebmood(*words, tables / "fit.csv", "--json")[1])["notes"]
    )
    assert "equal training rows" not in ebmood(*words, tables / "in.csv")[2]

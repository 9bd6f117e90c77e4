"""Labels of rows: the usual words are known, others must be named."""

import re

import numpy as np
import pyarrow as pa
import pytest

from ebmood.core.errors import InputError
from ebmood.core.interface import shell_messages
from ebmood.detector.outlier_labels import find_outliers, read_labels, split_batches
from ebmood.detector.score_batch import ScoreBatch


def batch(labels, start=0.0) -> ScoreBatch:
    scores = np.arange(len(labels)) + start
    kept = pa.RecordBatch.from_arrays([pa.array(labels)], names=["y"])
    return ScoreBatch(scores, scores / 10, scores > 1, kept)


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 0],
        [False, True, False],
        ["no", "yes", "No"],
        [1, -1, 1],
        [1.0, -1.0, 1.0],
        ["normal", "OUTLIER", "inlier"],
        ["0", "anomaly", "normal"],
    ],
)
def test_the_usual_labels_are_known(labels):
    names = read_labels([batch(labels[:1]), batch(labels[1:])], "t")
    assert find_outliers(names, "t", "y").tolist() == [False, True, False]


def test_other_labels_are_named():
    labels = ["good", "leak", "crack", "good"]
    assert find_outliers(labels, "t", "y", ["leak", "crack"]).tolist() == [False, True, True, False]
    assert find_outliers(["1", "2"], "t", "y", ["2.0"]).tolist() == [False, True]
    assert find_outliers(["1", "0"], "t", "y", ["0"]).tolist() == [False, True], "they replace the known ones"


@pytest.mark.parametrize(
    ("labels", "outliers", "message"),
    [
        (
            ["a", "b"],
            [],
            "t: column 'y' holds 'a', 'b'; name the values of outliers with --outlier, all others",
        ),
        (["-1", "0", "1"], [], "holds '-1', '0', '1'; name"),
        (["normal"], [], "holds 'normal', so all rows are normal rows; give a table with"),
        (["1"], [], "holds '1', so all rows are outliers"),
        (["a", "b"], ["c"], "holds 'a', 'b', but not 'c'; give one of these values with --outlier"),
        ([str(i) for i in range(20)], [], "'15' and 12 more values; name"),
    ],
)
def test_other_labels_are_refused_in_one_line_that_lists_them(labels, outliers, message):
    with shell_messages(), pytest.raises(InputError, match=re.escape(message)):
        find_outliers(labels, "t", "y", outliers)


def test_a_missing_label_is_refused_with_its_row():
    with pytest.raises(InputError, match="t: row 3, column 'y': the label is missing"):
        read_labels([batch(["a", "b"]), batch([None, "a"])], "t")


def test_batches_are_split_row_by_row():
    batches = [batch(["a", "b", "a"]), batch(["b", "b"], start=3.0)]
    inside, outside = split_batches(batches, np.array([False, True, False, True, True]))
    assert [b.scores.tolist() for b in inside] == [[0.0, 2.0], []]
    assert [b.scores.tolist() for b in outside] == [[1.0], [3.0, 4.0]]
    assert [b.kept_columns.column(0).to_pylist() for b in outside] == [["b"], ["b", "b"]]
    assert [b.flags.tolist() for b in outside] == [[False], [True, True]]

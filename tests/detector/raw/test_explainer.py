import numpy as np
import pandas as pd
import pytest

from ebmood import EnergyDetector
from ebmood.detector.energy.score_model import EnergySettings
from ebmood.detector.io.open_input import open_table
from ebmood.detector.raw.batch_notes import BatchNotes
from ebmood.detector.raw.saved_detector import score_input
from ebmood.detector.raw.table_detector import TableDetector


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.CalibrationWarning")
@pytest.mark.parametrize(
    ("columns", "scales", "explained"),
    [(70, np.ones(70), True), (460, np.ones(460), False), (460, np.r_[1e4, np.ones(459)], True)],
    ids=["few features", "many features of a network", "many columns of a table"],
)
def test_many_features_of_a_network_are_not_explained_one_by_one(tmp_path, columns, scales, explained):
    rng = np.random.default_rng(0)
    names = [f"e{number}" for number in range(columns)]
    rows = pd.DataFrame(rng.normal(size=(120, columns)) * scales, columns=names)
    rows.to_parquet(tmp_path / "normal.parquet")
    (9 * rows[:30]).to_parquet(tmp_path / "new.parquet")
    estimator = EnergyDetector(energy=EnergySettings(rows=16), random_state=0)
    detector = TableDetector.fit(estimator, open_table(tmp_path / "normal.parquet"))
    notes = BatchNotes()
    batches = list(score_input(detector, open_table(tmp_path / "new.parquet"), notes=notes))
    assert all(batch.flags.all() for batch in batches)
    assert any("explain flagged rows best" in line for line in notes.lines(0.05)) == explained

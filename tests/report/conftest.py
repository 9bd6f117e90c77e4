import warnings

import numpy as np
import pandas as pd
import pytest
from helpers.quick_energy import QUICK
from sklearn.datasets import load_breast_cancer

from ebmood.detector import EnergyDetector


@pytest.fixture(scope="session")
def tumours() -> tuple[pd.DataFrame, pd.DataFrame]:
    """A real table, 357 benign and 212 malignant rows of ten columns."""
    frame, benign = load_breast_cancer(return_X_y=True, as_frame=True)
    frame = frame.iloc[:, :10]
    return frame[benign == 1], frame[benign == 0]


@pytest.fixture(scope="session")
def detector(tumours) -> EnergyDetector:
    """Fitted on the first 250 benign rows. Tests must not modify it."""
    with warnings.catch_warnings(action="ignore"):
        return EnergyDetector(energy=QUICK, random_state=0).fit(tumours[0].iloc[:250])


@pytest.fixture(scope="session")
def model_html(detector, tumours) -> str:
    """A page with all sections. The names of the detector and of a set contain HTML."""
    from ebmood.report.detector_page import EvaluationSet, detector_page

    benign, malignant = tumours
    corrupted = benign.iloc[250:].copy()
    corrupted["mean area"] = 1e6
    inside = EvaluationSet(benign.iloc[250:])
    outside = {
        "<script>alert('x')</script> & co": EvaluationSet(malignant),
        "area": EvaluationSet(corrupted),
    }
    return detector_page(detector, "Tumours & <b>more</b>", inside, outside, {"ebmood": "0.1.0"}).html()


@pytest.fixture(scope="session")
def study_html() -> str:
    """A page of real records: two methods on a toy data set, and a failed cell."""
    from ebmood.data import Toy
    from ebmood.recipes import METHODS
    from ebmood.report.study_page import study_page
    from ebmood.study.cell import Cell, run_cell

    quick = {"model": {"hidden": (8,)}, "training": {"steps": 10, "warmup": 2, "batch_size": 64}}
    recipes = [METHODS["ssm"]("corrected", None).overridden(**quick), METHODS["knn"]("corrected", None)]
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        records = [run_cell(Cell(dataset=Toy(rows=200), recipe=recipe, seed=0)) for recipe in recipes]
    broken = {
        "status": "failed",
        "reason": "loss is not finite at step 7",
        "results": (),
        "seed": 1,
        "key": "x",
    }
    return study_page("Toys", [*records, records[0].model_copy(update=broken)]).html()

"""If training diverges, the rollback is reported by the fit, the saved detector, `ebmood inspect` and the page."""

import numpy as np
import pytest

from ebmood.cli.inspect import summary
from ebmood.core.errors import RollbackWarning
from ebmood.detector import EnergyDetector, load
from ebmood.report.detector_page import detector_page
from ebmood.training import DivergedError

ROWS = np.random.default_rng(0).normal(size=(200, 4))


def test_rollbacks_are_stored_and_shown(quick, tmp_path):
    detector = EnergyDetector(energy=quick.updated(lr=10.0, steps=60, hidden=(64, 64)), random_state=0)
    with pytest.warns(RollbackWarning, match=r"^\w+ network 1: energy/\w+ is "):
        detector.fit(ROWS)
    assert 1 <= len(detector.events_) <= 6
    detector.save(tmp_path / "model")
    assert load(tmp_path / "model").events_ == detector.events_
    assert summary(tmp_path / "model")["events"] == list(detector.events_)
    page = detector_page(detector).html()
    assert all(f"Rollback in training: {event}" in page for event in detector.events_)


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.RollbackWarning")
def test_the_error_after_the_last_rollback_names_the_network(quick):
    with pytest.raises(DivergedError, match=r"^denoising network 1: "):
        EnergyDetector(energy=quick.updated(lr=300.0, steps=60, hidden=(64, 64)), random_state=0).fit(ROWS)


def test_a_fit_with_the_default_rate_has_no_rollbacks(fitted):
    assert fitted.events_ == ()

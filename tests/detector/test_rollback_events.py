"""What becomes of a detector whose training diverges: it goes back and on, and says so wherever one may look."""

import numpy as np
import pytest

from ebmood.cli.inspect import summary
from ebmood.core.errors import RollbackWarning
from ebmood.detector import EnergyDetector, load
from ebmood.report.detector_page import detector_page
from ebmood.training import DivergedError

ROWS = np.random.default_rng(0).normal(size=(200, 4))


def test_what_was_healed_is_kept_and_shown(quick, tmp_path):
    detector = EnergyDetector(energy=quick.updated(lr=10.0, steps=60, hidden=(64, 64)), random_state=0)
    with pytest.warns(
        RollbackWarning, match=r"^\w+ network 1: energy/\w+ is .* back to step 0 with new noise"
    ):
        detector.fit(ROWS)
    assert 1 <= len(detector.events_) <= 6
    detector.save(tmp_path / "model")
    assert load(tmp_path / "model").events_ == detector.events_
    assert summary(tmp_path / "model")["events"] == list(detector.events_)
    page = detector_page(detector).html()
    assert [f"Healed in training: {event}" in page for event in detector.events_] == [True] * len(
        detector.events_
    )


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.RollbackWarning")
def test_what_cannot_be_healed_names_the_network(quick):
    with pytest.raises(DivergedError, match=r"^denoising network 1: .*, after going back 3 times"):
        EnergyDetector(energy=quick.updated(lr=300.0, steps=60, hidden=(64, 64)), random_state=0).fit(ROWS)


def test_a_fit_of_the_default_rate_has_nothing_to_tell(fitted):
    assert fitted.events_ == ()

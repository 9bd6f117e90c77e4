import numpy as np
import pytest
import torch
from torch import nn

from ebmood import EnergyDetector, SelfTestWarning
from ebmood.detector.energy.self_test import Probe, run_self_test


class Periodic(nn.Module):
    """An embedding that is the same near the data and far away."""

    def forward(self, x):
        return torch.sin(x[:, :3] * 1000)


def test_a_warning_says_which_probes_are_accepted_and_how_often(fitted, benign, quick):
    with pytest.warns(SelfTestWarning) as caught:
        detector = EnergyDetector(energy=quick, embed=Periodic(), random_state=0).fit(benign)
    by_name = {probe.name: probe for probe in detector.probes_}
    assert by_name.keys() >= {"uniform", "gaussian", "constant", "far"}
    assert by_name["uniform"].in_distribution > 0.5
    assert by_name["far"].in_distribution == 0  # no embedding is trusted beyond 100 ranges
    messages = [str(warning.message) for warning in caught]
    expected = f"{by_name['uniform'].in_distribution:.1%} of 256 `uniform` probes"
    assert any(expected in message for message in messages)
    assert not any("`far`" in message for message in messages)
    assert {probe.in_distribution for probe in fitted.probes_} == {0}


def test_single_probes_are_recorded_without_a_warning():
    """Four rows of at most 256 are more than 1 %, and one is not."""
    ranges = np.array([[0.0, 0.0], [1.0, 1.0]])

    def accept(count: int) -> tuple[Probe, ...]:
        return run_self_test(lambda rows: np.arange(len(rows)) < count, ranges, 0.5, seed=0)

    with pytest.warns(SelfTestWarning):
        accept(4)
    assert all(0 < probe.in_distribution < 0.01 for probe in accept(1))

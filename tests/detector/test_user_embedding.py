import warnings

import numpy as np
import pytest
import torch
from torch import nn

from ebmood import EnergyDetector, InputError
from ebmood.detector.parameters import split_rows


class Saturating(nn.Module):
    """An embedding that returns ordinary values for distant inputs."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(30, 4)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        return self.dropout(torch.sin(self.linear(x / 1000)))


class TextLengths(nn.Module):
    def forward(self, texts):
        return torch.tensor([[len(text), text.count("e")] for text in texts], dtype=torch.float32)


def test_an_embedding_is_copied_and_not_trained(benign, quick):
    torch.manual_seed(0)
    module = Saturating().train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(energy=quick, embed=module, random_state=0).fit(benign)
    scores = detector.score_samples(benign)
    np.testing.assert_array_equal(detector.score_samples(benign), scores)  # dropout is disabled
    assert module.training
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in before.items())
    with torch.no_grad():
        module.linear.weight.zero_()
    np.testing.assert_array_equal(detector.score_samples(benign), scores)
    assert detector.feature_contributions(benign[:2]).shape == (2, 30)


def test_distant_calibration_rows_get_the_scores_that_new_rows_get(benign, quick):
    rows = benign.copy()
    rows[::5] += 500 * np.ptp(benign, axis=0)
    calibration = np.isin(np.arange(len(rows)), split_rows(0.2, len(rows), 4)[1])
    rows[~calibration] = benign[~calibration]
    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(energy=quick, embed=Saturating(), random_state=4).fit(rows)
    scores = np.sort(detector.score_samples(rows[calibration]))
    np.testing.assert_array_equal(scores, detector.calibration_scores_)


def test_an_embedding_may_take_texts(quick):
    rng = np.random.default_rng(0)
    texts = ["e" * rng.integers(5) + "x" * rng.integers(10, 20) for _ in range(200)]
    detector = EnergyDetector(energy=quick, embed=TextLengths(), random_state=0).fit(texts)
    assert detector.predict(["x" * 15, "e" * 400]).tolist() == [1, -1]
    assert not hasattr(detector, "n_features_in_")
    assert detector.probes_ == ()
    with pytest.raises(InputError, match="arrays of floating-point numbers"):
        detector.feature_contributions(texts)
    with pytest.raises(InputError, match="another kind of input"):
        detector.predict(np.zeros((2, 2)))


def test_an_embedding_receives_whole_numbers_unchanged(quick):
    module = nn.Sequential(nn.Embedding(50, 8), nn.Flatten())
    codes = torch.randint(0, 25, (150, 3), generator=torch.Generator().manual_seed(0))
    detector = EnergyDetector(energy=quick, embed=module, random_state=0).fit(codes)
    assert detector.score_samples(codes).shape == (150,)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Flatten(0), "one row for each"),
        (nn.LSTM(30, 2), "returned tuple"),
        (nn.Threshold(1e9, float("nan")), "NaN or infinity for row 0"),
        (len, "must be a torch.nn.Module"),
    ],
)
def test_an_invalid_embedding_is_refused(module, message, benign, quick):
    with pytest.raises(InputError, match=message):
        EnergyDetector(energy=quick, embed=module).fit(benign)

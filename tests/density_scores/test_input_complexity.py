import io
import math

import numpy as np
import pytest
import torch
from helpers.gaussians import CPU
from PIL import Image

from ebmood.core.errors import InputError
from ebmood.density_scores import InputComplexity
from ebmood.density_scores.input_complexity import NATS_PER_BYTE, as_bytes, code_lengths
from ebmood.models import DensityModel, DensityScorer, EnergyModel
from ebmood.networks import MLP

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (3, 1, 64, 64), dtype=np.uint8)
BLACK = np.zeros((2, 1, 64, 64), np.uint8)


class StandardNormal(DensityModel):
    normalised = True

    def log_density(self, x):
        return -0.5 * (x.flatten(1).square().sum(1) + x[0].numel() * math.log(2 * math.pi))


def test_random_bytes_have_the_length_of_their_stored_blocks():
    # RFC 1950 and 1951: 2 bytes of header, 5 bytes per stored block, 4 bytes of checksum.
    np.testing.assert_allclose(code_lengths(NOISE, ("deflate",)) / NATS_PER_BYTE, 64 * 64 + 11)


def test_the_score_is_the_log_density_plus_the_length_in_nats():
    scorer = DensityScorer(StandardNormal(), CPU)
    score = InputComplexity(codes="deflate").fit(scorer, NOISE)
    log_density = -0.5 * (np.square(NOISE / 127.5 - 1).sum((1, 2, 3)) + 64 * 64 * math.log(2 * math.pi))
    expected = log_density + (64 * 64 + 11) * 8 * math.log(2)
    np.testing.assert_allclose(score.score_samples(NOISE), expected, rtol=1e-6)


def test_the_length_of_png_is_that_of_a_file_that_holds_the_image():
    colour = RNG.integers(0, 256, (1, 3, 8, 8), dtype=np.uint8)
    for x in (colour, BLACK[:1]):
        file = io.BytesIO()
        pixels = x[0].transpose(1, 2, 0).squeeze()
        Image.fromarray(pixels).save(file, "PNG", optimize=True)
        np.testing.assert_array_equal(np.asarray(Image.open(file)), pixels)
        np.testing.assert_allclose(code_lengths(x, ("png",)), 8 * math.log(2) * len(file.getvalue()))


def test_the_shortest_of_several_codes_counts():
    ramp = np.cumsum(RNG.integers(0, 3, (1, 1, 64, 64)), axis=3).astype(np.uint8)  # PNG predicts it
    for x in (ramp, NOISE):
        both = np.minimum(code_lengths(x, ("png",)), code_lengths(x, ("deflate",)))
        np.testing.assert_array_equal(code_lengths(x, ("png", "deflate")), both)
    assert code_lengths(ramp, ("png",)) < code_lengths(ramp, ("deflate",))


def test_floats_are_rounded_to_bytes_and_clipped():
    x = np.array([-1.0, 1.0, 0.0039, 200.0], np.float32).reshape(1, 1, 2, 2)
    assert as_bytes(x).ravel().tolist() == [0, 255, 128, 255]


def test_an_energy_of_unknown_scale_and_rows_of_a_table_are_refused():
    energy = DensityScorer(EnergyModel(torch.nn.Sequential(torch.nn.Flatten(), MLP(64, (8,), 1))), CPU)
    with pytest.raises(InputError, match="needs a normalised log-density in nats"):
        InputComplexity().fit(energy, np.zeros((2, 1, 8, 8), np.uint8))
    with pytest.raises(InputError, match="is the length of a compressed image"):
        InputComplexity().fit(DensityScorer(StandardNormal(), CPU), np.zeros((2, 3), np.float32))

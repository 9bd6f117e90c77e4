"""Every way of training an energy finds the Gaussian that the data came from."""

import pytest
import torch
from helpers.quadratic import PRECISION, gaussian_rows, precision, quadratic_model

from ebmood.objectives import CD, SSM, VERA, AdamW, ObjectiveSettings
from ebmood.samplers import SGLD
from ebmood.training import Training, make_fabric, train


def fit(settings: ObjectiveSettings, rows: torch.Tensor, training: Training):
    model = quadratic_model(rows.shape[1])
    objective = settings.build(model, 1, rows.shape[1:], seed=0)
    train(objective, rows, None, training, seed=0, fabric=make_fabric("cpu"))
    return model


def relative_error(found: torch.Tensor) -> float:
    return float(torch.linalg.norm(found - PRECISION) / torch.linalg.norm(PRECISION))


def test_ssm_recovers_the_precision(noise):
    rows = gaussian_rows(4096, noise)
    settings = SSM(optimiser=AdamW(lr=1e-2))
    model = fit(settings, rows, Training(steps=800, batch_size=1024, warmup=50, halve_every=50))
    assert relative_error(precision(model)) < 0.1


def test_cd_with_matched_noise_recovers_the_precision(noise):
    rows = gaussian_rows(4096, noise)
    a = 0.02
    settings = CD(
        chain=SGLD(steps=10, step_size=a, noise=(2 * a) ** 0.5),
        penalty=0.0,
        restart=0.0,
        buffer=4096,
        optimiser=AdamW(lr=1e-2),
    )
    model = fit(settings, rows, Training(steps=600, batch_size=1024, warmup=0, halve_every=50))
    assert relative_error(precision(model)) < 0.1


def test_cd_with_unmatched_noise_does_not(noise):
    """The published temperature is far from one: the precision comes out wrong, which is why `sound` says so."""
    rows = gaussian_rows(2048, noise)
    settings = CD(
        chain=SGLD(steps=10, step_size=0.02, noise=0.01), penalty=0.0, restart=0.0, optimiser=AdamW(lr=1e-2)
    )
    model = fit(settings, rows, Training(steps=300, batch_size=1024, warmup=0))
    assert relative_error(precision(model)) > 0.3


@pytest.mark.parametrize("narrow", [0, 1])
def test_vera_at_entropy_weight_one_orders_the_axes(noise, narrow):
    """Standard deviations 1 and 0.4 along the axes: the narrow axis gets the larger precision."""
    rows = torch.randn(4096, 2, generator=noise)
    rows[:, narrow] *= 0.4
    slow, fast = (AdamW(lr=lr, betas=(0.0, 0.9)) for lr in (5e-3, 2e-2))
    settings = VERA(
        noise=2,
        hidden=(),
        entropy_weight=1.0,
        gradient_penalty=0.0,
        sigma=0.1,
        posterior_width=0.3,  # As wide as the true posteriors: a narrower one underrates the entropy's gradient.
        energy=slow,
        generator=fast,
        posterior=fast,
    )
    model = fit(settings, rows, Training(steps=800, batch_size=256, warmup=0))
    found = precision(model)
    assert found[narrow, narrow] > 1.5 * found[1 - narrow, 1 - narrow]

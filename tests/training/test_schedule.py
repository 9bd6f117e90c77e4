import pytest

from ebmood.training import Training, rate_factor


def test_rates_rise_linearly_and_are_halved_later():
    training = Training(warmup=10, halve_every=5)
    factors = [rate_factor(step, per_epoch=4, training=training) for step in range(60)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[19] == 1.0
    assert factors[20] == 0.5
    assert factors[40] == 0.25
    assert rate_factor(0, 1, Training(warmup=0)) == 1.0


def test_each_drop_multiplies_the_rate_once():
    training = Training(warmup=0, drops=(2, 3), drop=0.1)
    factors = [rate_factor(step, per_epoch=1, training=training) for step in range(6)]
    assert factors == pytest.approx([1, 1, 0.1, 0.01, 0.01, 0.01])


def test_epochs_replace_the_number_of_steps():
    assert Training(steps=7).length(per_epoch=3) == 7
    assert Training(steps=7, epochs=5).length(per_epoch=3) == 15


def test_is_shorter_than():
    assert Training(steps=7).is_shorter_than(Training(steps=8))
    assert not Training(steps=8).is_shorter_than(Training(steps=8))
    assert Training(epochs=7, steps=9).is_shorter_than(Training(epochs=8, steps=8))
    assert Training(steps=8).is_shorter_than(Training(epochs=8, steps=8))


def test_a_warmup_that_takes_all_steps_is_described_with_the_rate_at_the_end():
    training = Training(steps=50)
    assert rate_factor(49, 1, training) == pytest.approx(0.02)
    assert "50: learning rates end at 0.02 times" in training.unfinished_warmup(rows=1000)
    assert Training(steps=50, warmup=50).unfinished_warmup(rows=1000)
    assert Training(steps=50, warmup=49).unfinished_warmup(rows=1000) is None
    assert Training(steps=1, warmup=0).unfinished_warmup(rows=1) is None
    by_epochs = Training(epochs=3, batch_size=10, warmup=20)  # 9 steps, and 30 steps
    assert "the training has 9" in by_epochs.unfinished_warmup(rows=39)
    assert by_epochs.unfinished_warmup(rows=100) is None
    assert "the training has 3" in by_epochs.unfinished_warmup(rows=4)

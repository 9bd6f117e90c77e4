import torch

from ebmood.data.units import model_units


def test_bytes_become_floats_from_minus_one_to_one() -> None:
    units = model_units(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert units.dtype == torch.float32
    torch.testing.assert_close(units, torch.tensor([-1.0, -0.6, 1.0]))
    assert units[0] == -1
    assert units[2] == 1


def test_floats_are_returned_as_they_are() -> None:
    x = torch.tensor([-3.0, 0.0, 255.0])
    assert model_units(x) is x

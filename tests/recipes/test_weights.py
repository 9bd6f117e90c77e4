import torch

from ebmood.recipes.weights import read_weights, weights_lock, write_weights


def test_weights_and_events_survive_the_file(tmp_path):
    file = tmp_path / "folder" / "model.safetensors"
    first, second = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    with weights_lock(file):
        write_weights(file, first, ("step 7: rolled back",))
        assert read_weights(file, second) == ("step 7: rolled back",)
    for name, value in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], value)

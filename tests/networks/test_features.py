"""The features of a classifier are the inputs of its last linear layer."""

import pytest
import torch
from torch import nn

from ebmood.core.errors import EbmoodError
from ebmood.networks import MLP, WideResNet, classifier_outputs, feature_extractor, import_module_object


class HeadFirst(nn.Module):
    """A classifier that registers its head before its body."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(7, 3)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(12, 7), nn.ReLU())

    def forward(self, x):
        return self.head(self.body(x))


def test_features_of_a_wideresnet_equal_those_of_its_method():
    torch.manual_seed(0)
    network = WideResNet(3, 10)
    x = torch.rand(4, 3, 16, 16)
    assert torch.equal(feature_extractor(network)(x), network.features(x))


def test_the_linear_layer_that_runs_last_is_used_not_the_one_registered_last():
    network = HeadFirst()
    x = torch.randn(5, 3, 2, 2)
    assert torch.equal(feature_extractor(network)(x), network.body(x))


def test_logits_of_a_torchvision_resnet_follow_from_its_features():
    vision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    network = import_module_object("torchvision.models.resnet18", {"num_classes": 6}).eval()
    assert isinstance(network, vision.models.ResNet)
    x = torch.rand(2, 3, 32, 32)
    features = feature_extractor(network)(x)
    assert features.shape == (2, 512)
    torch.testing.assert_close(network.fc(features), network(x))


def test_the_input_of_a_named_layer_is_flattened():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    x = torch.randn(3, 1, 6, 6)
    assert torch.equal(feature_extractor(network, "2")(x), network[:2](x).flatten(1))


def test_hooks_are_removed_after_a_call_and_after_an_error():
    network = MLP(4, (5,), 2)
    extract = feature_extractor(network)
    extract(torch.randn(3, 4))
    with pytest.raises(RuntimeError):
        extract(torch.randn(3, 9))
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_gradients_reach_the_input():
    x = torch.randn(3, 4, requires_grad=True)
    feature_extractor(MLP(4, (5,), 2, "silu"))(x).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().min() > 0


class Unused(nn.Module):
    """A module whose linear layer never runs."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return x


@pytest.mark.parametrize(
    ("make", "layer", "message"),
    [
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 3)), None, "no nn.Linear"),
        (lambda: MLP(4, (5,), 2), "fc", "no layer 'fc'"),
        (Unused, None, "received no tensor"),
        (lambda: nn.Sequential(nn.Flatten(0), nn.Linear(12, 2)), None, "not one row for each"),
    ],
)
def test_features_that_cannot_be_extracted_are_an_error_of_one_line(make, layer, message):
    with pytest.raises(EbmoodError, match=message) as error:
        feature_extractor(make(), layer)(torch.randn(3, 4))
    assert "\n" not in str(error.value)


def test_a_path_names_a_class_a_function_or_an_instance():
    module = import_module_object("torch.nn.Linear", {"in_features": 3, "out_features": 2})
    assert isinstance(module, nn.Linear)
    assert import_module_object(f"{__name__}.INSTANCE") is INSTANCE


INSTANCE = nn.Identity()


@pytest.mark.parametrize(
    ("path", "parameters", "message"),
    [
        ("no_such_package.Net", {}, "cannot be imported"),
        ("torch.nn.NoSuchNet", {}, "cannot be imported"),
        ("", {}, "cannot be imported"),
        ("torch.nn.Linear", {"in_feature": 3}, "cannot be built"),
        ("torch.nn.functional.__name__", {}, "is a str"),
        ("builtins.dict", {}, "returns a dict"),
        (f"{__name__}.INSTANCE", {"width": 3}, "takes no parameters"),
    ],
)
def test_a_path_without_a_module_is_an_error_of_one_line(path, parameters, message):
    with pytest.raises(EbmoodError, match=message) as error:
        import_module_object(path, parameters)
    assert "\n" not in str(error.value)


def test_features_and_logits_of_one_forward_pass():
    network = HeadFirst()
    x = torch.randn(5, 3, 2, 2)
    outputs = classifier_outputs(network)
    features, logits = outputs(x)
    assert torch.equal(features, network.body(x))
    assert torch.equal(logits, network(x))
    assert torch.equal(outputs.logits(x), logits)
    assert outputs.head(x) is network.head
    assert classifier_outputs(network, "body.2").head(x) is None


@pytest.mark.parametrize(
    "module", [nn.Linear(4, 1), nn.Sequential(nn.Linear(4, 2), nn.Flatten(0)), nn.LSTM(4, 2)]
)
def test_a_network_that_returns_no_logits(module):
    with pytest.raises(EbmoodError, match=r"a classifier must return logits|has no nn\.Linear"):
        classifier_outputs(module)(torch.randn(5, 4))


def test_the_message_of_a_missing_layer_lists_the_layers_or_says_how_many_more_there_are():
    small = nn.Sequential(*(nn.Identity() for _ in range(20)))
    with pytest.raises(EbmoodError, match=rf"its layers are: {', '.join(map(str, range(20)))}$"):
        feature_extractor(small, "nope")
    large = nn.Sequential(*(nn.Identity() for _ in range(50)))
    with pytest.raises(EbmoodError, match=r": 10, .*, 49 \(and 10 before these\)$"):
        feature_extractor(large, "nope")

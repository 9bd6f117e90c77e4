"""Products in bfloat16: those of rounded numbers, whatever multiplies them; VERA's posterior by them."""

import copy
import ctypes
import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn

from ebmood.models import EnergyModel
from ebmood.networks import MLP, NoisyGenerator
from ebmood.networks.compiled import CompiledPasses, Layers
from ebmood.networks.native import NUMBERS, OPTIONS, TILES, VECTORS, compiler, has_tiles
from ebmood.networks.without_autograd import blocks_of
from ebmood.objectives import VERA
from ebmood.objectives.vera import VariationalEntropy

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler here (CXX, g++, c++, clang++)")
HERE = Path(__file__).parent
WAYS = {"tiles by hand": ("-O1", "-DBYTES=64", "-Wno-psabi", f'-DTILES="{HERE / "tiles.h"}"')}
if has_tiles():
    WAYS["the processor's tiles"] = TILES


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A source -> its library with a way's tiles."""

    def built(source: Path, way: str) -> ctypes.CDLL:
        library = tmp_path_factory.mktemp("half") / "half.so"
        vectors = VECTORS.get(torch.backends.cpu.get_cpu_capability(), ())
        options = *OPTIONS, *vectors, NUMBERS[torch.float32], *WAYS[way]
        command = [*(compiler() or []), *options, str(source), "-o", str(library)]
        subprocess.run(command, check=True)
        return ctypes.CDLL(str(library))

    return built


@pytest.fixture(scope="module", params=WAYS)
def products(request, build):
    return build(HERE / "half.cpp", request.param)


@pytest.fixture(scope="module", params=["in float32", *WAYS])
def passes(request, build):
    if request.param == "in float32":
        return CompiledPasses.found(torch.float32)
    return CompiledPasses(build(CompiledPasses.SOURCE, request.param), torch.float32)


def address(tensor: torch.Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (16, 100), (31, 33), (100, 48), (129, 20)])
def test_products_are_those_of_rounded_numbers(products, inputs, outputs):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(products.rows(), inputs, generator=generator) * 10
    weights = torch.randn(outputs, inputs, generator=generator)
    found = torch.empty(len(x), outputs)
    sizes = ctypes.c_int64(inputs), ctypes.c_int64(outputs)
    products.product(*sizes, address(weights), address(x), address(found))
    expected = x.bfloat16().double() @ weights.bfloat16().double().t()
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-4)
    exact = x.double() @ weights.double().t()
    if inputs > 1:
        assert (found.double() - exact).abs().max() > 1e-3  # float32 would not be so far off


def test_ties_go_to_even_and_what_is_not_finite_stays_so(products):
    half = 2.0**-8  # of the last of eight bits of one
    x = torch.ones(products.rows(), 2)
    x[:, 1] = 0
    x[:7, 0] = torch.tensor(
        [1 + half, 1 + 3 * half, 1 + 1.01 * half, torch.nan, torch.inf, -torch.inf, -1 - half]
    )
    # Not a number either, and all of its bits are set: adding to them would make it minus zero.
    x[7, 0] = torch.tensor(-1, dtype=torch.int32).view(torch.float32)
    found, one = torch.empty(len(x), 1), torch.tensor([[1.0, 0.0]])
    products.product(ctypes.c_int64(2), ctypes.c_int64(1), address(one), address(x), address(found))
    expected = [1, 1 + 4 * half, 1 + 2 * half, torch.nan, torch.inf, -torch.inf, -1, torch.nan]
    torch.testing.assert_close(found[:8, 0], torch.tensor(expected), rtol=0, atol=0, equal_nan=True)


def posterior_by_hand(network: nn.Sequential, x, h, noise, eta, precision, half):
    """The entropy's direction as vera.py has it; `half` rounds what is multiplied, and what waits for a batch norm."""
    near = h + eta * noise
    z, *after = near.flatten(0, 1), *network
    while after:
        weight = after.pop(0).weight.t()
        z = (z.bfloat16().double() @ weight.bfloat16().double()).float() if half else z @ weight
        if after:
            norm, act = after.pop(0), after.pop(0)
            scale = norm.weight / (z.var(0, correction=0) + norm.eps).sqrt()
            z = act(norm(z) + ((z.bfloat16() - z) * scale if half else 0))
    away = z.view(len(noise), *x.shape) - x
    log_weight = -precision * away.square().sum(2) - near.square().sum(2) + noise.square().sum(2)
    return -precision * ((log_weight / 2).softmax(0)[..., None] * away).sum(0)


@pytest.mark.parametrize(("rows", "activation"), [(1, "silu"), (32, "relu"), (45, "leaky_relu")])
def test_the_posterior(request, passes, rows, activation):
    half = request.node.callspec.params["passes"] in WAYS
    torch.manual_seed(0)
    network = MLP(7, (20, 33, 6), 5, activation, 0.2, batch_norm=True, bias=False)
    expected_network = copy.deepcopy(network)
    h, noise, x = torch.randn(rows, 7), torch.randn(4, rows, 7), torch.randn(rows, 5)
    eta, precision = torch.linspace(0.05, 0.5, 7), torch.tensor(3.0)
    layers = Layers(blocks_of(list(network.layers)))
    with torch.no_grad():
        found = passes.posterior(layers, x, h, noise, eta, precision, half)
        expected = posterior_by_hand(expected_network.layers, x, h, noise, eta, precision, half)
    # Where sums differ in their last bit, a number may be rounded to the neighbour of eight bits.
    near = 2e-2 if half else 1e-4
    torch.testing.assert_close(found, expected, rtol=near, atol=near)
    torch.testing.assert_close(network.state_dict(), expected_network.state_dict(), rtol=near, atol=near)


def test_vera_asks_for_it_where_that_was_compiled(cache, monkeypatch):
    """By the setting alone, and in float32 where there are no tiles."""
    asked = []
    network = MLP(7, (20, 20), 5, batch_norm=True, bias=False, compiled=True)
    network.expect(1, 1)
    assert network.passes is not None
    posterior = network.passes.posterior
    monkeypatch.setattr(
        network.passes,
        "posterior",
        lambda *given: (asked.append(given[-1]), posterior(*given[:-1], False))[1],
    )
    monkeypatch.setattr("ebmood.objectives.vera.multiplies_in_bf16", lambda device: True)
    for pairs, precision in ((1, "bf16"), (0, "bf16"), (1, None)):
        monkeypatch.setattr(network.passes.code, "multiplies_in_tiles", lambda pairs=pairs: pairs)
        objective = VariationalEntropy(
            EnergyModel(MLP(5, (8,), 1)),
            NoisyGenerator(network, 7, 0.1, (0.01, 0.3)),
            VERA(precision=precision),
        )
        with torch.no_grad():
            x, h = objective.generator.sample(20, torch.Generator().manual_seed(0))
        objective.entropy_direction(x, h, torch.Generator().manual_seed(1))
    assert asked == [True, False, False]

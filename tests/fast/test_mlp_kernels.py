"""Compiled passes: the numbers of the eager ones to rounding, and eager where they cannot be or would not pay."""

import copy
import pickle

import pytest
import torch

from ebmood.fast.mlp_gradient import blocks_of
from ebmood.fast.mlp_kernels import CompiledPasses, Layers
from ebmood.fast.native import compiler, library
from ebmood.models import EnergyMLP
from ebmood.networks import MLP, input_gradient

needs_a_compiler = pytest.mark.skipif(
    compiler() is None, reason="no C++ compiler here (CXX, g++, c++, clang++)"
)
in_both_precisions = pytest.mark.parametrize(
    ("dtype", "near"), [(torch.float64, 1e-12), (torch.float32, 2e-5)]
)
COMPILED = ["relu", "leaky_relu", "silu"]


def both(activation: str, outputs: int, dtype=torch.float64, hidden=(20, 31, 6)) -> tuple[MLP, MLP]:
    """The same network, to be trained with compiled passes and without."""
    torch.manual_seed(0)
    network = MLP(7, hidden, outputs, activation, 0.2, compiled=True).to(dtype)
    eager = copy.deepcopy(network)
    network.expect(1, 1)
    assert network.passes is not None
    return network, eager


def some(rows: int, dtype=torch.float64):
    return torch.randn(rows, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype) * 3


@needs_a_compiler
@in_both_precisions
@pytest.mark.parametrize("outputs", [1, 3, 8])
@pytest.mark.parametrize("activation", COMPILED)
def test_logits_and_input_gradients(cache, activation, outputs, dtype, near):
    network, eager = both(activation, outputs, dtype)
    for rows in (1, 16, 45):  # less than a block, whole ones, and one that is not
        x, y = some(rows, dtype), torch.arange(rows) % outputs
        for chosen in (None, y, y.flip(0)):
            found = input_gradient(network, chosen)(x)
            torch.testing.assert_close(found, input_gradient(eager, chosen)(x), rtol=near, atol=near)


@needs_a_compiler
def test_rows_stand_for_themselves_and_come_out_the_same_each_time(cache):
    gradient = input_gradient(both("silu", 3, torch.float32)[0])
    x = some(45, torch.float32)
    logits, found = gradient(x)
    for row in range(len(x)):
        alone = gradient(x[row : row + 1].clone())
        assert torch.equal(alone[0][0], logits[row])
        assert torch.equal(alone[1][0], found[row])


@needs_a_compiler
@in_both_precisions
@pytest.mark.parametrize("activation", COMPILED)
def test_far_out_and_not_finite(cache, activation, dtype, near):
    """Far from zero e^-x neither overflows nor vanishes; what is not finite is not hidden, and stays in its row."""
    network, eager = both(activation, 3, dtype)
    x = some(6, dtype)
    x[1] *= 1e3
    x[2] *= -1e4
    x[3, 4], x[4, 0] = torch.nan, torch.inf
    (logits, found), (expected_logits, expected) = input_gradient(network)(x), input_gradient(eager)(x)
    finite = expected.isfinite().all(1)
    assert finite.tolist() == [True, True, True, False, False, True]
    assert torch.equal(found.isfinite().all(1), finite)
    torch.testing.assert_close(logits[finite], expected_logits[finite], rtol=near, atol=near)
    torch.testing.assert_close(found[finite], expected[finite], rtol=near, atol=10 * near)


@needs_a_compiler
def test_others_are_eager(cache):
    """Evaluation, copies, pickles, activations that are not written, inputs that are not dense, other types."""
    network, eager = both("silu", 3)
    x = some(20)
    expected = input_gradient(eager)(x)
    assert not torch.equal(input_gradient(network)(x)[1], expected[1])  # it is compiled, and rounds elsewhere
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network)), network.eval()):
        assert torch.equal(input_gradient(other)(x)[1], expected[1])
    network.train()
    across = x.t().contiguous().t()
    torch.testing.assert_close(input_gradient(network)(across)[1], expected[1])
    with pytest.raises(RuntimeError, match="dtype"):
        input_gradient(network)(x.float())
    for activation, hidden in (("tanh", (20, 20)), ("silu", ())):
        network, eager = both(activation, 3, hidden=hidden)
        assert torch.equal(input_gradient(network)(x)[1], input_gradient(eager)(x)[1])


@needs_a_compiler
@in_both_precisions
@pytest.mark.parametrize("activation", COMPILED)
def test_batch_norms(cache, activation, dtype, near):
    """Values and running statistics; far from zero too, where the mean of squares is no way to a variance."""
    torch.manual_seed(0)
    network = MLP(7, (20, 31, 6), 3, activation, 0.2, batch_norm=True, bias=False, compiled=True).to(dtype)
    eager = copy.deepcopy(network)
    network.expect(1, 1)
    with torch.no_grad():
        for rows in (2, 32, 77):
            for x in (some(rows, dtype), some(rows, dtype) + 100):
                near_here = near * (1e3 if rows == 2 else 1)  # the sign of a difference, divided by its size
                torch.testing.assert_close(network(x), eager(x), rtol=near_here, atol=near_here)
                torch.testing.assert_close(
                    network.state_dict(), eager.state_dict(), rtol=10 * near_here, atol=10 * near_here
                )
        x = some(77, dtype)
        x[3, 2] = torch.nan
        assert network(x).isnan().all()  # its row is in everybody's statistics


@needs_a_compiler
def test_batch_norms_in_the_middle_of_a_graph(cache):
    """A graph that waits for its backward pass does not mind, and evaluation is eager."""
    torch.manual_seed(0)
    network = MLP(7, (20, 20), 3, "silu", batch_norm=True, compiled=True).double()
    eager = copy.deepcopy(network)
    network.expect(1, 1)
    found = []
    for each in (network, eager):
        x = some(20).requires_grad_(True)
        loss = each(x).square().sum()
        with torch.no_grad():
            each(some(30))
            with pytest.raises(ValueError, match="more than 1 value"):
                each(some(1))
        loss.backward()
        found.append(x.grad)
    torch.testing.assert_close(*found)
    eager.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(network.eval()(some(9)), eager.eval()(some(9)))


@needs_a_compiler
@in_both_precisions
@pytest.mark.parametrize("outputs", [1, 3])
def test_parabolas(cache, outputs, dtype, near):
    """Values, curvatures and slopes of smooth networks, and the gradients of the first two."""
    network, eager = both("silu", outputs, dtype)
    v = some(45, dtype).flip(0)
    weights = torch.linspace(-1, 1, 45, dtype=dtype)
    found = []
    for each in (network, eager):
        value, second, u = each.parabola(some(45, dtype), v)
        loss = (value * weights).sum() + second.mean()  # the latter's gradient comes as one number, repeated
        found.append((value, second, u, *torch.autograd.grad(loss, list(each.parameters()))))
    assert not torch.equal(found[0][1], found[1][1])  # they round elsewhere
    torch.testing.assert_close(*found, rtol=near, atol=10 * near)


@needs_a_compiler
@in_both_precisions
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_straight_lines(cache, activation, dtype, near):
    """Values and slopes of one piecewise-linear logit, and their gradients, of whole blocks and others."""
    network, eager = both(activation, 1, dtype)
    for rows in (1, 16, 45):
        weights = torch.linspace(-1, 1, rows, dtype=dtype)
        found = []
        for each in (network, eager):
            value, slope, u = each.parabola(some(rows, dtype), None)
            losses = (value * weights).sum() + slope.mean(), slope.mean()
            gradients = [
                torch.autograd.grad(loss, list(each.parameters()), retain_graph=True) for loss in losses
            ]
            found.append((value, slope, u, *gradients[0], *gradients[1]))
        torch.testing.assert_close(*found, rtol=near, atol=10 * near)
    assert network.passes is not None
    assert network.passes.straight(Layers(blocks_of(list(network.layers))), some(45, dtype))


@needs_a_compiler
def test_lines_that_fall_below_zero_are_left_to_torch(cache):
    """There the sign of what comes out of an activation does not tell what went in."""
    torch.manual_seed(0)
    network = MLP(7, (20, 31, 6), 1, "leaky_relu", -0.3, compiled=True).double()
    eager = copy.deepcopy(network)
    network.expect(1, 1)
    found, expected = network.parabola(some(45), None), eager.parabola(some(45), None)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@needs_a_compiler
def test_classes_that_do_not_fit_are_refused(cache):
    network, _ = both("silu", 3)
    with pytest.raises(RuntimeError):
        input_gradient(network, torch.tensor([0, 3]))
    with pytest.raises(RuntimeError):
        input_gradient(network, torch.tensor([0, 1]))(some(3))


@needs_a_compiler
def test_rows_of_another_width_are_refused_and_never_read_past(cache):
    network, _ = both("silu", 3)
    for wrong in (some(20)[:, :6].clone(), some(20).repeat(1, 2), some(20).flatten()):
        with pytest.raises(RuntimeError):
            input_gradient(network)(wrong)
    network = MLP(7, (20, 20), 3, "silu", batch_norm=True, compiled=True).double()
    network.expect(1, 1)
    with torch.no_grad(), pytest.raises(RuntimeError):
        network(some(20)[:, :6].clone())


@needs_a_compiler
def test_weights_that_are_made_when_asked_for(cache):
    """A parametrised layer's weight is a new tensor each time, and must live while the compiled code reads it."""
    network, eager = both("leaky_relu", 3)
    for each in (network, eager):
        for layer in each.layers:
            if isinstance(layer, torch.nn.Linear):
                torch.nn.utils.parametrizations.weight_norm(layer)
    torch.testing.assert_close(input_gradient(network)(some(45)), input_gradient(eager)(some(45)))


def test_without_a_compiler_all_is_eager_and_one_line_says_so(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    library.cache_clear()
    for _ in range(2):
        network = MLP(7, (20,), 1, compiled=True)
        network.expect(1, 1)
        assert network.passes is None
    library.cache_clear()
    missing = "passes.cpp: not compiled (no C++ compiler: no-such-compiler not found)"
    assert caplog.messages == [f"{missing}; computing eagerly, which is slower"]


def test_short_trainings_are_eager_and_so_are_those_on_several_threads():
    work = 512 * (48 * 100 + 4 * 100 * 100 + 100)
    assert CompiledPasses.pays(200 * 100, work)
    assert not CompiledPasses.pays(100 * 100, work)
    try:
        torch.set_num_threads(2)
        assert not CompiledPasses.pays(10_000 * 100, work)
    finally:
        torch.set_num_threads(1)
    barred, short = MLP(48, (100,) * 5, 1, compiled=False), MLP(48, (100,) * 5, 1)
    barred.expect(10**6, 512)
    short.expect(100 * 100, 512)
    assert barred.passes is short.passes is None


def test_keys_of_cells_do_not_know_the_default():
    assert "compiled" not in EnergyMLP().model_dump(mode="json", exclude_none=True)

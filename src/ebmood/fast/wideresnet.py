"""Operations of energies and classifiers on WideResNets: features, value and input gradient, gradient penalties."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from ebmood.fast.convolutions import ConvolutionKernels, multiplications
from ebmood.fast.operation import Operation, Plan, reference
from ebmood.fast.parabola import along_parabola, is_piecewise_linear, is_supported
from ebmood.models import EnergyModel, ScoreMatchingTerms, log_density_of
from ebmood.networks import WideResNet
from ebmood.objectives import ContrastiveDivergence, Supervised

CHUNK = 32
"""Images that pass through a network at once on a CPU: their activations stay in the cache, 1.2 times as fast as 64."""

IMAGE_SIZE = 32
"""Height and width that the cost of a pass is estimated with."""


def operations(plan: Plan) -> Iterator[Operation]:
    """List the operations of an energy model or a classifier on a WideResNet."""
    model = plan.objective.model
    if type(model) is not EnergyModel or not isinstance(model.network, WideResNet):
        return
    network = model.network
    yield Operation(network, "features", partial(_features, network))
    if any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return
    kernels = _load_kernels(plan, network)
    yield Operation(model, "value_and_grad", partial(_value_and_grad, model, network, kernels))
    if is_supported(network):
        shared = SharedLogits() if isinstance(plan.objective, Supervised) else None
        yield Operation(model, "score_matching_terms", partial(_score_matching_terms, model, network, shared))
        if shared is not None:
            yield Operation(model, "logits", partial(_logits, model, shared))


class SharedLogits:
    """The logits of score matching, which the cross-entropy of the same batch uses once: a fifth of a step less."""

    def __init__(self):
        self._x: Tensor | None = None
        self._logits: Tensor | None = None

    def keep(self, x: Tensor, logits: Tensor) -> None:
        """Keep the logits of a batch until they are taken, or until those of another batch come."""
        self._x, self._logits = x, logits

    def take(self, x: Tensor) -> Tensor | None:
        """Return the logits of a batch and forget them; None for any other tensor."""
        if x is not self._x:
            return None
        logits, self._x, self._logits = self._logits, None, None
        return logits


def _load_kernels(plan: Plan, network: WideResNet) -> ConvolutionKernels | None:
    steps = plan.inner.settings.chain.steps if isinstance(plan.inner, ContrastiveDivergence) else 0
    work = plan.rows * multiplications(network, IMAGE_SIZE, IMAGE_SIZE)
    pays = ConvolutionKernels.pays(plan.steps * steps, work) if plan.compile is None else plan.compile
    weight = network.last.weight
    usable = is_piecewise_linear(network) and weight.device.type == "cpu"
    return ConvolutionKernels.load(weight.dtype) if pays and usable else None


def _features(network: WideResNet, x: Tensor) -> Tensor:
    """Implement `WideResNet.features`: convolutions are faster on channels-last activations."""
    h = network.first(x).contiguous(memory_format=torch.channels_last)
    return network.act(network.stages(h)).mean((2, 3))


def _value_and_grad(
    model: EnergyModel,
    network: WideResNet,
    kernels: ConvolutionKernels | None,
    x: Tensor,
    y: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Implement `EnergyModel.value_and_grad`."""
    usable = model.training and not torch.compiler.is_compiling()
    if kernels is not None and usable and not torch.is_autocast_enabled("cpu"):
        result = kernels.value_and_grad(network, x.detach(), y)
        if result is not None:
            logits, gradient = result
            return log_density_of(logits, y), gradient
    compute = reference(model, "value_and_grad")
    if not usable or x.device.type != "cpu" or len(x) <= CHUNK:
        return compute(x, y)
    classes = [None] * -(-len(x) // CHUNK) if y is None else y.split(CHUNK)
    chunks = [compute(*chunk) for chunk in zip(x.split(CHUNK), classes, strict=True)]
    values, gradients = zip(*chunks, strict=True)
    return torch.cat(values), torch.cat(gradients)


def _logits(model: EnergyModel, shared: SharedLogits, x: Tensor) -> Tensor:
    """Implement `EnergyModel.logits`."""
    logits = shared.take(x)
    return reference(model, "logits")(x) if logits is None else logits


def _score_matching_terms(
    model: EnergyModel, network: WideResNet, shared: SharedLogits | None, x: Tensor, v: Tensor | None
) -> ScoreMatchingTerms:
    """Implement `EnergyModel.score_matching_terms`."""
    piecewise_linear = is_piecewise_linear(network)
    if not model.training or (torch.is_autocast_enabled(x.device.type) and not piecewise_linear):
        return reference(model, "score_matching_terms")(x, v)
    if piecewise_linear and network.last.out_features == 1:
        v = None  # the curvature is zero
    logits, first, second, u = along_parabola(network, x, v)
    if shared is not None:
        shared.keep(x, logits)
    p = torch.ones_like(logits) if logits.shape[1] == 1 else logits.softmax(1)
    # The second derivative of logsumexp is `E f'' + Var f'` under the softmax p.
    derivative = (p * second).sum(1)
    if v is not None and logits.shape[1] > 1:
        derivative = derivative + (p * first.square()).sum(1) - (p * first).sum(1).square()
    square = u.square().flatten(1).sum(1)
    # u is a constant: the term u' grad F has the value of |u|^2 and the gradient of |grad F|^2 / 2.
    curvature = torch.zeros_like(square) if v is None else derivative.detach() - square
    return ScoreMatchingTerms(log_density_of(logits), derivative - 0.5 * square, curvature)

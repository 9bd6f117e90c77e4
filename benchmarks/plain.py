"""The published algorithms in plain PyTorch: written to be read, from the papers, without a line of ebmood.

They are what the library is measured against, for speed (benchmarks) and for truth (tests). Random numbers are drawn
in a fixed, stated order from the generator that is passed in, so that both sides can be given the same ones.

`network` maps `(N, *shape)` to logits `(N, K)`; `F(x) = logsumexp_k f(x)[k]`.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus


def mlp(features: int, width: int, depth: int, outputs: int, activation: nn.Module) -> nn.Sequential:
    """`depth` hidden layers of `width`."""
    layers = []
    for i in range(depth):
        layers += [nn.Linear(features if i == 0 else width, width), activation]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def log_density(network: nn.Module, x: Tensor) -> Tensor:
    return torch.logsumexp(network(x), dim=1)


def langevin(network, x, steps, step_size, noise, generator, y=None) -> Tensor:
    """x <- x + a grad log p(x) + b N(0, I); draws one normal tensor a step."""
    for _ in range(steps):
        x = x.clone().detach().requires_grad_(True)
        logits = network(x)
        energy = torch.logsumexp(logits, dim=1) if y is None else logits[torch.arange(len(y)), y]
        gradient = torch.autograd.grad(energy.sum(), x)[0]
        x = x + step_size * gradient + noise * torch.empty_like(x).normal_(generator=generator)
    return x.detach()


def cd_loss(
    network, data, buffer, generator, steps, step_size, noise, restart, penalty, classes=None
) -> Tensor:
    """Persistent contrastive divergence with squared log-densities as a penalty; `buffer` is changed in place.

    Draws: slots, who restarts, where from, then one normal tensor a step.
    """
    count = len(data)
    slots = torch.randint(len(buffer), (count,), generator=generator)
    restarts = torch.rand(count, generator=generator, dtype=torch.float32) < restart
    fresh = torch.empty_like(buffer[slots]).uniform_(-1, 1, generator=generator)
    start = torch.where(restarts.view(-1, *[1] * (data.ndim - 1)), fresh, buffer[slots])
    y = None if classes is None else slots % classes
    negatives = langevin(network, start, steps, step_size, noise, generator, y)
    buffer[slots] = negatives
    positive, negative = log_density(network, data), log_density(network, negatives)
    return (
        -(positive.mean() - negative.mean())
        + penalty * positive.square().mean()
        + penalty * negative.square().mean()
    )


def ssm_loss(network, data, generator) -> Tensor:
    """Sliced score matching, variance reduced, one Rademacher projection a row. Draws: the projections."""
    x = data.clone().requires_grad_(True)
    score = torch.autograd.grad(log_density(network, x).sum(), x, create_graph=True)[0]
    v = torch.empty_like(data).bernoulli_(0.5, generator=generator) * 2 - 1
    product = torch.autograd.grad((score * v).sum(), x, create_graph=True)[0]
    return ((v * product).flatten(1).sum(1) + 0.5 * score.square().flatten(1).sum(1)).mean()


def generate(generator_network, log_sigma, count, noise_dim, generator) -> tuple[Tensor, Tensor]:
    """x = g(h) + sigma N(0, I). Draws: h, then the noise."""
    h = torch.randn(count, noise_dim, generator=generator, dtype=log_sigma.dtype)
    mean = generator_network(h)
    return mean + log_sigma.exp() * torch.empty_like(mean.detach()).normal_(generator=generator), h


def vera_energy_loss(
    network, generator_network, log_sigma, data, noise_dim, gradient_penalty, generator
) -> Tensor:
    with torch.no_grad():
        negatives, _ = generate(generator_network, log_sigma, len(data), noise_dim, generator)
    x = data.clone().requires_grad_(True)
    positive = log_density(network, x)
    gradient = torch.autograd.grad(positive.sum(), x, create_graph=True)[0]
    penalty = (gradient.square().flatten(1).sum(1) / 2).mean()
    return -(positive.mean() - log_density(network, negatives).mean()) + gradient_penalty * penalty


def vera_generator_loss(
    network, generator_network, log_sigma, log_eta, count, noise_dim, entropy_weight, samples, generator
) -> Tensor:
    """Minus F and minus the entropy's surrogate. Draws: h, noise, then the posterior's noise for all samples."""
    x, h = generate(generator_network, log_sigma, count, noise_dim, generator)
    sigma, eta = log_sigma.exp().detach(), log_eta.exp().detach()
    with torch.no_grad():
        epsilon = torch.empty(samples, *h.shape, dtype=h.dtype).normal_(generator=generator)
        proposals = h + eta * epsilon
        means = generator_network(proposals.reshape(samples * count, -1)).reshape(samples, *x.shape)
        normal = torch.distributions.Normal
        likelihood = normal(means, sigma).log_prob(x.detach()).flatten(2).sum(2)
        prior = normal(torch.zeros_like(proposals), torch.ones_like(proposals)).log_prob(proposals).sum(2)
        proposal = normal(h.expand_as(proposals), eta.expand_as(proposals)).log_prob(proposals).sum(2)
        weights = (likelihood + prior - proposal).softmax(0)
        scores = (x.detach() - means) / sigma**2
        direction = (weights.view(samples, count, *[1] * (x.ndim - 1)) * scores).sum(0)
    return -log_density(network, x).mean() - entropy_weight * (direction * x).flatten(1).sum(1).mean()


def vera_posterior_loss(generator_network, log_sigma, log_eta, count, noise_dim, generator) -> Tensor:
    """Minus the evidence bound of N(h, eta^2). Draws: h, noise, then one proposal a row."""
    with torch.no_grad():
        x, h = generate(generator_network, log_sigma, count, noise_dim, generator)
    proposal = h + log_eta.exp() * torch.empty_like(h).normal_(generator=generator)
    normal = torch.distributions.Normal
    likelihood = normal(generator_network(proposal), log_sigma.exp().detach()).log_prob(x).flatten(1).sum(1)
    prior = normal(torch.zeros_like(h), torch.ones_like(h)).log_prob(proposal).sum(1)
    entropy = normal(h, log_eta.exp().expand_as(h)).entropy().sum(1)
    return -(likelihood + prior + entropy).mean()


def supervised(loss: Tensor, network, data, y, gamma: float) -> Tensor:
    return loss + gamma * cross_entropy(network(data), y)


def radial_log_density(layers: list[tuple[Tensor, Tensor, Tensor]], x: Tensor) -> Tensor:
    """A stack of radial layers, each `(centre (D,), raw alpha, raw beta)`, over a standard normal."""
    total = torch.zeros(len(x), dtype=x.dtype)
    for centre, raw_alpha, raw_beta in layers:
        alpha = softplus(raw_alpha)
        beta = -alpha + softplus(raw_beta)
        r = (x - centre).norm(dim=1, keepdim=True)
        h = 1 / (alpha + r)
        h_prime = -1 / (alpha + r) ** 2
        total = (
            total
            + ((x.shape[1] - 1) * torch.log(1 + beta * h) + torch.log(1 + beta * h + beta * h_prime * r))[
                :, 0
            ]
        )
        x = x + beta * h * (x - centre)
    return total - 0.5 * (x**2).sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi)

"""Time of one training step of every method: ours, the plain one of plain.py, and torchebm's where it has one.

    OMP_NUM_THREADS=1 python benchmarks/steps.py --rounds 9 --json steps.json
    OMP_NUM_THREADS=1 python benchmarks/steps.py --only ssm
    python benchmarks/steps.py --device cuda
    pytest benchmarks/test_steps.py --benchmark-json steps.json

A step is all of it: batch, loss, backward pass, optimiser. All sides of a row take turns, and so does a matrix product
of the same number type, the machine's peak; what is compared is medians. Seconds are of the processor, all threads
together, so that what else the machine does disturbs little; with CUDA they are the clock's, until the device is done.
Nothing here sets thread counts.

FLOPs are those that torch's counter finds in our own step (products and convolutions, of which an element-wise pass
has none), so the share of the peak says how well we use the machine and not how much work we found to leave out.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import plain
import plain_networks
import torch
import turns
from torch import Tensor, nn
from turns import Row, Step, Turns

from ebmood.models import EnergyModel, RadialFlow
from ebmood.networks import MLP, WideResNet
from ebmood.networks.precision import multiplies_in_bf16
from ebmood.objectives import CD, SSM, VERA, Likelihood, Objective, ObjectiveSettings
from ebmood.samplers import SGLD
from ebmood.training import Training, make_fabric
from ebmood.training.run import Run

FEATURES, ROWS = 48, 512
IMAGES = {"1x32x32": (64, 1, 32, 32), "3x32x32": (32, 3, 32, 32)}


def our_step(objective: Objective, x: Tensor) -> Step:
    """One move of the training loop."""
    run = Run(
        objective, x, None, Training(batch_size=len(x), warmup=0), 0, make_fabric(turns.DEVICE.type), ()
    )
    return lambda: run.train_step(measure=False)


def plain_step(loss: Callable[[], Tensor], parameters) -> Step:
    """Loss, backward pass, AdamW, as every tutorial has them."""
    optimiser = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0)

    def step():
        optimiser.zero_grad()
        with turns.DEVICE:  # where plain code makes what it needs
            loss().backward()
        optimiser.step()

    return step


def together(*steps: Step) -> Step:
    return lambda: [step() for step in steps]


Ours = dict[str, EnergyModel]


def mlps(activation: nn.Module, name, slope: float = 0.01) -> tuple[nn.Module, Ours]:
    """The same network three times: the plain one, and ours by the name of its side."""
    theirs = plain.mlp(FEATURES, 100, 5, 1, activation).to(turns.DEVICE)
    ours = {
        "ours": EnergyModel(MLP(FEATURES, (100,) * 5, 1, name, slope, compiled=False)),
        "ours, compiled": EnergyModel(MLP(FEATURES, (100,) * 5, 1, name, slope, compiled=True)),
    }
    for model in ours.values():
        plain_networks.copy_parameters(theirs, model.to(turns.DEVICE).network)
    return theirs, ours


def our_steps(settings: ObjectiveSettings, ours: Ours, x: Tensor) -> dict[str, Step]:
    return {name: our_step(settings.build(model, 1, (FEATURES,), 0), x) for name, model in ours.items()}


def wideresnets(shape: tuple[int, ...]) -> tuple[nn.Module, EnergyModel]:
    """The same network twice."""
    ours = EnergyModel(WideResNet(shape[1], 1, compiled=False)).to(turns.DEVICE)
    theirs = plain_networks.WideResNet(shape[1], 1, 2, nn.LeakyReLU(0.2)).to(turns.DEVICE)
    plain_networks.copy_parameters(ours.network, theirs)
    return theirs, ours


def noise() -> torch.Generator:
    return torch.Generator(turns.DEVICE).manual_seed(0)


def cd(x: Tensor) -> Row:
    theirs, ours = mlps(nn.LeakyReLU(0.01), "leaky_relu")
    g, buffer = noise(), (torch.rand(9_000, FEATURES) * 2 - 1).to(turns.DEVICE)
    sides = {
        "plain": plain_step(
            lambda: plain.cd_loss(theirs, x, buffer, g, 100, 1.0, 0.01, 0.05, 1.0), theirs.parameters()
        ),
        **our_steps(CD(), ours, x),
    }
    if (other := torchebm()) is not None:
        sides["torchebm"] = other.cd(mlps(nn.LeakyReLU(0.01), "leaky_relu")[0], x)
    return Row("CD, MLP, 100 SGLD steps", sides)


def langevin(x: Tensor) -> Row:
    theirs, ours = mlps(nn.LeakyReLU(0.01), "leaky_relu")
    g, chain = noise(), SGLD(steps=10)
    sides: dict[str, Step] = {"plain": lambda: plain.langevin(theirs, x, 10, 1.0, 0.01, g)}
    for name, model in ours.items():
        model.expect(0, ROWS)
        sides[name] = partial(chain.sample, model.score(), x, g)
    if (other := torchebm()) is not None:
        sides["torchebm"] = other.langevin(theirs, x)
    return Row("10 SGLD steps, MLP", sides)


def ssm(x: Tensor, smooth: bool) -> Row:
    activation, name = (nn.SiLU(), "silu") if smooth else (nn.LeakyReLU(0.01), "leaky_relu")
    theirs, ours = mlps(activation, name)
    g = noise()
    sides = {
        "plain": plain_step(lambda: plain.ssm_loss(theirs, x, g), theirs.parameters()),
        **our_steps(SSM(), ours, x),
    }
    if (other := torchebm()) is not None:
        sides["torchebm"] = other.ssm(mlps(activation, name)[0], x)
    return Row(f"SSM, MLP, {'smooth' if smooth else 'piecewise linear'}", sides)


def ssm_images(x: Tensor, name: str) -> Row:
    theirs, ours = wideresnets(tuple(x.shape))
    g = noise()
    sides = {
        "plain": plain_step(lambda: plain.ssm_loss(theirs, x, g), theirs.parameters()),
        "ours": our_step(SSM().build(ours, 1, tuple(x.shape[1:]), 0), x),
    }
    return Row(f"SSM, WideResNet {name}, piecewise linear", sides)


def sgld_images(x: Tensor, name: str) -> Row:
    theirs, ours = wideresnets(tuple(x.shape))
    compiled = EnergyModel(WideResNet(x.shape[1], 1, compiled=True)).to(turns.DEVICE)
    plain_networks.copy_parameters(ours.network, compiled.network)
    compiled.expect(0, len(x))
    g, score, fast = noise(), ours.score(), compiled.score()
    return Row(
        f"SGLD step, WideResNet {name}",
        {
            "plain": lambda: plain.langevin(theirs, x, 1, 1.0, 0.01, g),
            "ours": lambda: SGLD(steps=1).sample(score, x, g),
            "ours, compiled": lambda: SGLD(steps=1).sample(fast, x, g),
            "ours, bf16": lambda: SGLD(steps=1, precision="bf16").sample(score, x, g),
        },
        {"ours, bf16"},
    )


def vera(name: str, x: Tensor, theirs: nn.Module, ours: dict[str, tuple[EnergyModel, VERA]]) -> Row:
    shape = tuple(x.shape[1:])
    objectives = {side: settings.build(model, 1, shape, 0) for side, (model, settings) in ours.items()}
    generator, settings = objectives["ours"].generator, objectives["ours"].settings
    if settings.resnet_channels is None:
        their_generator = plain_mlp_generator(settings, shape[0])
    else:
        their_generator = plain_networks.Generator(settings.noise, shape[0], settings.resnet_channels)
    their_generator.to(turns.DEVICE)
    plain_networks.copy_parameters(generator.network, their_generator)
    log_sigma = nn.Parameter(generator.log_sigma.detach().clone().to(turns.DEVICE))
    log_eta = nn.Parameter(objectives["ours"].log_eta.detach().clone().to(turns.DEVICE))
    g, rows, h = noise(), len(x), settings.noise

    def energy() -> Tensor:
        return plain.vera_energy_loss(theirs, their_generator, log_sigma, x, h, settings.gradient_penalty, g)

    def generate() -> Tensor:
        return plain.vera_generator_loss(
            theirs, their_generator, log_sigma, log_eta, rows, h, settings.entropy_weight, 20, g
        )

    def posterior() -> Tensor:
        return plain.vera_posterior_loss(their_generator, log_sigma, log_eta, rows, h, g)

    plainly = together(
        plain_step(energy, theirs.parameters()),
        plain_step(generate, [*their_generator.parameters(), log_sigma]),
        plain_step(posterior, [log_eta]),
    )
    sides = {side: our_step(objective, x) for side, objective in objectives.items()}
    return Row(f"VERA, {name}", {"plain": plainly, **sides}, {side for side in sides if "bf16" in side})


def plain_mlp_generator(settings: VERA, features: int) -> nn.Sequential:
    layers, width = [], settings.noise
    for wider in settings.hidden:
        layers += [nn.Linear(width, wider, bias=False), nn.BatchNorm1d(wider), nn.LeakyReLU(0.01)]
        width = wider
    return nn.Sequential(*layers, nn.Linear(width, features, bias=False))


def radial(x: Tensor) -> Row:
    flow = RadialFlow(FEATURES, 20, compiled=False).to(turns.DEVICE)
    compiled = RadialFlow(FEATURES, 20, compiled=True).to(turns.DEVICE)
    compiled.load_state_dict(flow.state_dict())
    layers = [
        tuple(nn.Parameter(p.detach().clone()) for p in layer)
        for layer in zip(flow.centre, flow.raw_alpha, flow.raw_beta, strict=True)
    ]
    parameters = [p for layer in layers for p in layer]
    sides = {
        "plain": plain_step(lambda: -plain.radial_log_density(layers, x).mean(), parameters),
        "ours": our_step(Likelihood().build(flow, 1, (FEATURES,), 0), x),
        "ours, compiled": our_step(Likelihood().build(compiled, 1, (FEATURES,), 0), x),
    }
    return Row("radial flow, 20 layers", sides)


def torchebm():
    """The bridge to torchebm, or None where it is not installed."""
    try:
        import through_torchebm
    except ImportError:
        return None
    return through_torchebm


def every_row(count: int | None = None) -> dict[str, Callable[[], Row]]:
    """How to make each row, by the name that `--only` looks in; `count` images in place of the stated batches."""
    x = torch.rand(ROWS, FEATURES).to(turns.DEVICE)

    def vera_rows() -> Row:
        theirs, ours = mlps(nn.LeakyReLU(0.2), "leaky_relu", 0.2)
        half = mlps(nn.LeakyReLU(0.2), "leaky_relu", 0.2)[1]
        sides = {
            "ours": (ours["ours"], VERA(compiled=False)),
            "ours, compiled": (ours["ours, compiled"], VERA(compiled=True)),
            "ours, bf16": (half["ours"], VERA(precision="bf16", compiled=False)),
            "ours, bf16, compiled": (half["ours, compiled"], VERA(precision="bf16", compiled=True)),
        }
        return vera("MLP", x, theirs, sides)

    def vera_images(name: str, shape: tuple[int, ...]) -> Row:
        theirs, ours = wideresnets(shape)
        settings = VERA(noise=128, resnet_channels=128)
        half = (wideresnets(shape)[1], settings.updated(precision="bf16"))
        return vera(
            f"WideResNet {name}", images(shape), theirs, {"ours": (ours, settings), "ours, bf16": half}
        )

    rows: dict[str, Callable[[], Row]] = {
        "cd mlp": lambda: cd(x),
        "sgld mlp": lambda: langevin(x),
        "ssm mlp smooth": lambda: ssm(x, smooth=True),
        "ssm mlp flat": lambda: ssm(x, smooth=False),
        "vera mlp": vera_rows,
        "radial": lambda: radial(x),
    }
    for name, stated in IMAGES.items():
        shape = (count or stated[0], *stated[1:])
        rows |= {
            f"sgld image {name}": lambda name=name, shape=shape: sgld_images(images(shape), name),
            f"ssm image {name}": lambda name=name, shape=shape: ssm_images(images(shape), name),
            f"vera image {name}": lambda name=name, shape=shape: vera_images(name, shape),
        }
    return rows


def images(shape: tuple[int, ...]) -> Tensor:
    return (torch.rand(shape) * 2 - 1).to(turns.DEVICE)


def made(make: Callable[[], Row]) -> Row:
    """The row, without the sides that its device cannot run as they are meant."""
    torch.manual_seed(0)
    row = make()
    # In float32 again, or imitated; compiled code is for processors.
    bf16 = set() if multiplies_in_bf16(turns.DEVICE.type) else row.bf16
    left = {
        side: step
        for side, step in row.sides.items()
        if side not in bf16 and not (turns.DEVICE.type == "cuda" and side.endswith("compiled"))
    }
    return Row(row.name, left, row.bf16 - bf16)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--images", type=int, help="images a batch, where those stated take too long")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", type=Path, help="where the numbers go as well")
    arguments = parser.parse_args()
    turns.DEVICE = torch.device(arguments.device)
    every = every_row(arguments.images)
    chosen = {name: make for name, make in every.items() if arguments.only in name}
    if not chosen:
        parser.error(f"no row's name holds {arguments.only!r}; the rows are: {', '.join(every)}")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), {arguments.rounds} rounds")
    print(f"{'step':42} {'side':20} {'ms':>9} {'faster':>7} {'GFLOP':>8} {'of peak':>8}")
    results = {}
    for make in chosen.values():
        sides = Turns(made(make))
        for _ in range(arguments.rounds):
            sides.turn()
        results[sides.row.name] = sides.medians()
        for side, r in results[sides.row.name].items():
            print(
                f"{sides.row.name:42} {side:20} {r['ms']:9.2f} {r['faster']:6.2f}x {r['gigaflops']:8.2f} "
                f"{r['share_of_peak']:7.0%}",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Train the classifiers of the benchmark, and store features and logits of all their images.

    python benchmarks/classifier_outputs.py DATA OUT [--sets fmnist cifar10] [--networks resnet efficientnet]
        [--runs 0 1 2 3 4]

DATA holds the images (see `classifier_images`). OUT receives one folder for each classifier with `outputs.npz`
(features and logits of every set, labels, the weights of the last layer, and the test accuracy) and
`network.safetensors`. A folder that exists is not computed again. `classifier_scores.py` reads them.

`resnet` is a ResNet with one block in each of four stages (16, 32, 64 and 128 channels), trained from scratch.
`efficientnet` is multinomial logistic regression on features of EfficientNet-Lite0, which was pretrained on ImageNet,
at 128 x 128 pixels; of its training images at most 10,000 are used.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from classifier_images import RUNS, Labelled, batches, far_sets, load, split
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, relu
from torch.nn.functional import pad as pad_images

from ebmood.embedders.efficientnet import EfficientNetLite0
from ebmood.embedders.options import EmbedderOptions

STORED = 8000
"""Training images whose outputs are stored."""

PIXELS = 128
EFFICIENTNET_ROWS = 10_000


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        h = relu(self.norm1(self.conv1(x)))
        return relu(self.norm2(self.conv2(h)) + self.shortcut(x))


class SmallResNet(nn.Module):
    """ResNet-18 (He et al. 2016) for small images, with one block in each stage."""

    def __init__(self, channels: int, classes: int, widths: tuple[int, ...] = (16, 32, 64, 128)):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        pairs = zip((widths[0], *widths[:-1]), widths, strict=True)
        self.blocks = nn.Sequential(*(Block(a, b, 1 if i == 0 else 2) for i, (a, b) in enumerate(pairs)))
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        return self.blocks(self.stem(x)).mean((2, 3))


def to_tensor(x: np.ndarray) -> Tensor:
    """Return bytes as numbers in [-1, 1]."""
    return torch.from_numpy(x).float() / 127.5 - 1


def augment(x: Tensor, generator: torch.Generator, pad: int) -> Tensor:
    """Return images that are shifted by up to `pad` pixels and mirrored at random."""
    size, count = x.shape[-1], len(x)
    mirrored = torch.rand(count, generator=generator) < 0.5
    x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
    padded = pad_images(x, (pad,) * 4, mode="reflect")
    shifts = torch.randint(0, 2 * pad + 1, (2, count, 1), generator=generator)
    rows, columns = shifts + torch.arange(size)
    return padded[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )


def train_resnet(images: Labelled, epochs: int, seed: int) -> SmallResNet:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = SmallResNet(images.x.shape[1], int(images.y.max()) + 1).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, 0.9, weight_decay=5e-4, nesterov=True)
    steps = epochs * (len(images.x) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=steps, pct_start=0.2)
    y = torch.from_numpy(images.y)
    for _ in range(epochs):
        order = torch.randperm(len(y), generator=generator)
        for start in range(0, len(order) - 127, 128):
            chosen = order[start : start + 128]
            x = augment(to_tensor(images.x[chosen.numpy()]), generator, 2 if images.x.shape[1] == 1 else 4)
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(x.contiguous(memory_format=torch.channels_last))
            loss = cross_entropy(logits.float(), y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


@torch.inference_mode()
def resnet_features(network: SmallResNet, x: np.ndarray) -> np.ndarray:
    return np.concatenate([network.features(to_tensor(chunk)).numpy() for chunk in batches(x, 500)])


def efficientnet() -> nn.Module:
    """Return the network of the embedder `efficientnet-lite0`."""
    return EfficientNetLite0(EmbedderOptions(image_size=PIXELS)).network


@torch.inference_mode()
def efficientnet_features(network: nn.Module, x: np.ndarray) -> np.ndarray:
    """Return pooled features `(N, 1280)` of images, resized to `PIXELS`, grey ones as colour.

    The embedder itself takes bytes of this size. Here the resized pixels are not rounded to bytes, so that features
    differ from those of the embedder.
    """
    features = []
    for chunk in batches(x, 64):
        pixels = torch.tensor(chunk, dtype=torch.float32) - 127
        pixels = pixels.expand(-1, 3, -1, -1) / 128
        pixels = interpolate(pixels, (PIXELS, PIXELS), mode="bilinear", align_corners=False)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        features.append(network.extract_features(pixels).mean((2, 3)).numpy())
    return np.concatenate(features)


def train_linear(features: np.ndarray, y: np.ndarray, seed: int) -> nn.Linear:
    """Return multinomial logistic regression, trained by Adam with weight decay on shuffled batches."""
    torch.manual_seed(seed)
    x, targets = torch.from_numpy(features), torch.from_numpy(y)
    layer = nn.Linear(x.shape[1], int(y.max()) + 1)
    optimizer = torch.optim.AdamW(layer.parameters(), 1e-3, weight_decay=1e-2)
    for _ in range(30):
        for chosen in torch.randperm(len(x)).split(256):
            loss = cross_entropy(layer(x[chosen]), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return layer.eval()


def store(
    out: Path,
    features: dict[str, np.ndarray],
    labels: dict[str, np.ndarray],
    layer: nn.Linear,
    network: nn.Module,
) -> float:
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    logits = {name: rows @ weight.T + bias for name, rows in features.items()}
    accuracy = float((logits["test"].argmax(1) == labels["test"]).mean())
    arrays = {f"{name}/features": rows.astype(np.float32) for name, rows in features.items()}
    arrays |= {f"{name}/logits": rows.astype(np.float32) for name, rows in logits.items()}
    arrays |= {f"{name}/labels": rows for name, rows in labels.items()}
    out.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()},
        out / "network.safetensors",
    )
    np.savez(out / "outputs.npz", weight=weight, bias=bias, accuracy=accuracy, **arrays)
    return accuracy


def run_resnet(name: str, data: Path, out: Path, run: int, epochs: int) -> float:
    images, far = split(*load(name, data), run), far_sets(name, data)
    network = train_resnet(images.train, epochs, run)
    stored = np.random.default_rng(run).permutation(len(images.train.x))[:STORED]
    sets = {
        "train": images.train.x[stored], "held out": images.held_out.x, "test": images.test.x, "near": images.near,
    } | far  # fmt: skip
    labels = {"train": images.train.y[stored], "held out": images.held_out.y, "test": images.test.y}
    features = {title: resnet_features(network, x) for title, x in sets.items()}
    return store(out, features, labels, network.fc, network)


def run_efficientnet(name: str, data: Path, out: Path, runs: list[int]) -> None:
    train, test = load(name, data)
    chosen = np.random.default_rng(0).permutation(len(train.x))[:EFFICIENTNET_ROWS]
    backbone = efficientnet()
    embedded = [
        Labelled(efficientnet_features(backbone, part.x), part.y)
        for part in (Labelled(train.x[chosen], train.y[chosen]), test)
    ]
    far = {title: efficientnet_features(backbone, x) for title, x in far_sets(name, data).items()}
    for run in runs:
        images = split(*embedded, run)
        layer = train_linear(images.train.x, images.train.y, run)
        features = {
            "train": images.train.x, "held out": images.held_out.x, "test": images.test.x, "near": images.near,
        } | far  # fmt: skip
        labels = {"train": images.train.y, "held out": images.held_out.y, "test": images.test.y}
        accuracy = store(out / f"{name}-efficientnet-{run}", features, labels, layer, layer)
        print(f"{name} efficientnet {run}: accuracy {accuracy:.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="+", default=["fmnist", "cifar10"])
    parser.add_argument("--networks", nargs="+", default=["resnet", "efficientnet"])
    parser.add_argument("--runs", nargs="+", type=int, default=list(range(RUNS)))
    options = parser.parse_args()
    epochs = {"fmnist": 5, "cifar10": 40}
    if "efficientnet" in options.networks:
        for name in options.sets:
            todo = [run for run in options.runs if not (options.out / f"{name}-efficientnet-{run}").exists()]
            if todo:
                run_efficientnet(name, options.data, options.out, todo)
    if "resnet" in options.networks:
        for run in options.runs:
            for name in options.sets:
                folder = options.out / f"{name}-resnet-{run}"
                if folder.exists():
                    continue
                start = time.perf_counter()
                accuracy = run_resnet(name, options.data, folder, run, epochs[name])
                seconds = time.perf_counter() - start
                print(f"{name} resnet {run}: accuracy {accuracy:.4f} in {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()

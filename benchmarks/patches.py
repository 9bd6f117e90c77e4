"""Measure where detectors of patches find damage: textures made by code, 128 x 128, with damage over 2 to 10 % of them.

    python benchmarks/patches.py [--train 100] [--normal 60] [--damaged 33] [--kinds wood bricks] [--seed 0]
    python benchmarks/patches.py --neighbours 1 --compare 0    # the distance to the nearest patch, as in PatchCore
    python benchmarks/patches.py --picture docs/guides/patches.png --kinds bricks

For each texture, a detector is fitted on images without damage. A hit is a damaged image of which the pixel with the
highest energy is damaged. Chance is the mean fraction of damaged pixels: a pixel that is drawn at random is a hit with
this probability. It ends with exit code 1 if fewer than 90 % of the images with one kind of damage are hits, or the
peak memory is 2 GB or more. Every run is one process. docs/guides/images.md has the results of the last run.

The defaults of `PatchSettings` were chosen with images of the same textures from another seed.
"""

import argparse
import resource
import sys
import time
import warnings

import numpy as np
from PIL import Image

from ebmood.core.metrics import separation
from ebmood.data.images.textures import DAMAGES, TEXTURES, TextureKind, damage_images, make_textures
from ebmood.detector import PatchDetector, PatchSettings
from ebmood.detector.patches.heat_map import overlay
from ebmood.embedders import EmbedderOptions, open_embedder

SIZE = 128
LEAST_HITS = 0.9
MOST_MEMORY = 2e9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=int, default=100)
    parser.add_argument("--normal", type=int, default=60)
    parser.add_argument("--damaged", type=int, default=33, help="images with each kind of damage")
    parser.add_argument("--kinds", nargs="+", choices=TEXTURES, default=TEXTURES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--neighbours", type=int, default=PatchSettings().neighbours)
    parser.add_argument("--compare", type=float, default=PatchSettings().compare)
    parser.add_argument("--picture", help="PNG file for two images of each damage with their maps")
    args = parser.parse_args()
    settings = PatchSettings(neighbours=args.neighbours, compare=args.compare)
    embedder = open_embedder("efficientnet-lite0", EmbedderOptions(image_size=args.image_size))

    heads = ["texture", *DAMAGES, "all", "chance", "AUROC", "flagged", "false alarms", "fit, s", "score, ms"]
    print(f"| {' | '.join(heads)} |\n| :-- |{' --: |' * (len(heads) - 1)}")
    results = []
    for kind in args.kinds:
        results.append(measure(kind, PatchDetector(embed=embedder, patches=settings, random_state=0), args))
        print_row(kind, results[-1])
    mean = np.mean(results, axis=0)
    print_row("mean", mean)
    memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"\nalpha 0.05. Peak memory of the process: {memory / 1e9:.2f} GB")
    if mean[: len(DAMAGES)].min() < LEAST_HITS or memory >= MOST_MEMORY:
        sys.exit(1)


def measure(kind: TextureKind, detector: PatchDetector, args: argparse.Namespace) -> list[float]:
    number = TEXTURES.index(kind)
    rng = np.random.default_rng([args.seed, number])
    train, normal = (make_textures(kind, count, rng, SIZE) for count in (args.train, args.normal))
    start = time.perf_counter()
    with warnings.catch_warnings(action="ignore"):
        detector.fit(train)
    fitted = time.perf_counter()
    inside = detector.score_batch(normal)
    scored = time.perf_counter()
    hits, areas, scores, flags, rows = [], [], [], [], []
    for step, damage in enumerate(DAMAGES, start=1):
        other = make_textures(TEXTURES[(number + step) % len(TEXTURES)], args.damaged, rng, SIZE)
        images, masks = damage_images(make_textures(kind, args.damaged, rng, SIZE), damage, rng, other)
        maps = detector.heat_maps(images, SIZE)
        places = maps.reshape(len(maps), -1).argmax(1)
        hits.append(masks.reshape(len(maps), -1)[np.arange(len(maps)), places].mean())
        areas.append(masks.mean())
        batch = detector.score_batch(images)
        scores.append(batch.scores)
        flags.append(batch.flags)
        rows += [np.concatenate([images[k].transpose(1, 2, 0), overlay(images[k], maps[k], detector.heat_scale_)])
                 for k in range(2)]  # fmt: skip
    if args.picture:
        Image.fromarray(np.concatenate(rows, axis=1)).quantize(96).save(args.picture, optimize=True)
    auroc = separation(inside.scores, np.concatenate(scores)).auroc
    flagged = np.concatenate(flags).mean()
    seconds = 1000 * (scored - fitted) / len(normal)
    rates = [float(np.mean(hits)), float(np.mean(areas)), auroc, flagged, inside.flags.mean()]
    return [*hits, *rates, fitted - start, seconds]


def print_row(name: str, values) -> None:
    cells = [f"{value:.3f}" for value in values[:-2]] + [f"{value:.0f}" for value in values[-2:]]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

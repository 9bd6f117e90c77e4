"""Photos by the features of EfficientNet-Lite0: speed, peak memory, and what is found.

Usage: python benchmarks/embedding.py PHOTOS.zip [--size 128] [--photos 2000] [--side 1200]

The archive holds `train/CLASS/*.jpg` and `test/CLASS/*.jpg` with the classes of CIFAR-10. Two tables are printed:

- `ebmood fit` on 400 photos of cars: AUROC of other cars against each other class, and the share of flagged cars.
- `ebmood fit`, the same again (features from the cache), and `ebmood score` on `--photos` photos of all classes, as
  they are and enlarged to `--side` pixels: seconds and peak memory of the process, which include the start of Python.

The cache of features is a temporary folder. Threads: OMP_NUM_THREADS, else all cores.
"""

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import torch
from PIL import Image

TRAINING = 400
CAR = "automobile"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("archive", type=Path)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--side", type=int, default=1200)
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, {options.size} x {options.size} pixels\n"
    )
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(options.archive) as archive:
        separation(archive, Path(folder), options.size)
        speed(archive, Path(folder), options.size, options.photos, options.side)


def separation(archive: zipfile.ZipFile, folder: Path, size: int) -> None:
    """Print how well other classes are separated from cars."""
    classes = sorted({name.split("/")[1] for name in archive.namelist() if name.startswith("test/")} - {""})
    write(archive, f"train/{CAR}/", folder / "cars", TRAINING)
    for name in classes:
        write(archive, f"test/{name}/", folder / "test" / name)
    model = folder / "model"
    run(folder, "fit", folder / "cars", "-o", model, *embed(size))
    others = [name for name in classes if name != CAR]
    tables = [folder / "test" / name for name in others]
    _, _, out = run(folder, "evaluate", model, "--in", folder / "test" / CAR, "--out", *tables, "--json")
    result = json.loads(out)
    print("| photos | number | flagged | AUROC against other cars |\n| :-- | --: | --: | --: |")
    print(f"| {CAR} | {result['in']['rows']} | {result['in']['flagged']:.3f} | |")
    for name, entry in zip(others, result["out"], strict=True):
        print(f"| {name} | {entry['rows']} | {entry['flagged']:.3f} | {entry['auroc']:.3f} |")
    print()


def speed(archive: zipfile.ZipFile, folder: Path, size: int, photos: int, side: int) -> None:
    """Print seconds and peak memory of the commands."""
    print("| photos | command | s | photos/s | peak memory, MB |\n| :-- | :-- | --: | --: | --: |")
    for kind, target in (("as they are", None), (f"{side} x {side}", side)):
        data, fresh = folder / f"photos-{target}", folder / f"fresh-{target}"
        count = write(archive, "train/", data, photos, target)
        model = folder / f"model-{target}"
        write(archive, "test/", fresh, photos, target)
        commands = {
            "fit": ("fit", data, "-o", model, *embed(size)),
            "fit again": ("fit", data, "-o", model, *embed(size)),
            "score others": ("score", model, fresh, "-o", folder / "scores.csv"),
        }
        for name, command in commands.items():
            seconds, memory, _ = run(folder, *command)
            print(
                f"| {count}, {kind} | {name} | {seconds:.1f} | {count / seconds:.0f} | {memory:.0f} |",
                flush=True,
            )


def embed(size: int) -> list[str]:
    return ["--embed", "efficientnet-lite0", "--image-size", str(size)]


def write(
    archive: zipfile.ZipFile, prefix: str, folder: Path, limit: int | None = None, side: int | None = None
) -> int:
    """Write photos of the archive to a folder, evenly from all names with a prefix. Return their number."""
    names = sorted(name for name in archive.namelist() if name.startswith(prefix) and name.endswith(".jpg"))
    if limit is not None and limit < len(names):
        step = len(names) / limit
        names = [names[int(k * step)] for k in range(limit)]
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        content = archive.read(name)
        if side is not None:
            image = Image.open(io.BytesIO(content)).resize((side, side), Image.Resampling.BICUBIC)
            file = io.BytesIO()
            image.save(file, "JPEG", quality=90)
            content = file.getvalue()
        (folder / f"{number:05}.jpg").write_bytes(content)
    return len(names)


def run(folder: Path, *command: object) -> tuple[float, float, str]:
    """Run a command of ebmood. Return its seconds, its peak memory in MB, and its output."""
    environment = os.environ | {"EBMOOD_CACHE": str(folder / "cache")}
    out = folder / "out.txt"
    start = time.perf_counter()
    with out.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "ebmood", *map(str, command)], env=environment, stdout=file
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}: failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024, out.read_text()


if __name__ == "__main__":
    main()

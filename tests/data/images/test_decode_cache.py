import os
import resource
from pathlib import Path

import numpy as np
import pytest
from helpers.images import idx_bytes, pixels, png, write, write_folder, write_zip

from ebmood.core.errors import EbmoodError
from ebmood.data.images.decode_cache import load_decoded
from ebmood.data.images.image_sets import ImageSet, user_parts
from ebmood.data.images.readers import CorruptDataError, MissingDataError

GREY, COLOUR = pixels(12, 8, 8), pixels(12, 8, 8, 3)


def load(path: Path, cache: Path, size=8, channels=None, skip_corrupt=False):
    return load_decoded(user_parts(path).train, size, channels, cache, skip_corrupt)


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_decoded_images_are_memory_mapped_and_decoded_only_once(tmp_path):
    path, cache = tmp_path / "set", tmp_path / "cache"
    write_folder(path, {f"{'ab'[k % 2]}/{k:02}.png": COLOUR[k] for k in range(12)})
    first = load(path, cache)
    order = [*range(0, 12, 2), *range(1, 12, 2)]
    np.testing.assert_array_equal(first.x, COLOUR[order].transpose(0, 3, 1, 2))
    assert first.labels.tolist() == ["a"] * 6 + ["b"] * 6
    assert isinstance(first.x, np.memmap)
    assert not first.x.flags.writeable
    # Damage an image without changing its size or time, so that only a second decoding would fail.
    image = path / "a" / "00.png"
    stat = image.stat()
    image.write_bytes(bytes(stat.st_size))
    os.utime(image, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = load(path, cache)
    np.testing.assert_array_equal(again.x, first.x)
    assert again.about == first.about
    os.utime(image)
    with pytest.raises(CorruptDataError, match=r"00\.png: not a readable image"):
        load(path, cache)


def test_every_size_shape_and_content_has_its_own_entry(tmp_path):
    path, cache = tmp_path / "set.zip", tmp_path / "cache"
    write_zip(path, {"0.png": GREY[0]})
    contents = {load(path, cache, size, channels).about.content for size in (8, 4) for channels in (1, 3)}
    assert len(contents) == 4
    assert len(list(cache.iterdir())) == 4
    write_zip(path, {"0.png": GREY[1]})
    changed = load(path, cache)
    np.testing.assert_array_equal(changed.x[0, 0], GREY[1])
    assert changed.about.content not in contents


def test_content_depends_on_pixels_and_labels_and_not_on_the_path(tmp_path):
    flat = {f"{k}.png": GREY[k] for k in range(4)}
    write_folder(tmp_path / "one", flat)
    write_zip(tmp_path / "two.zip", flat)
    write_folder(
        tmp_path / "three", {"a/0.png": GREY[0], "a/1.png": GREY[1], "b/2.png": GREY[2], "b/3.png": GREY[3]}
    )
    write_folder(
        tmp_path / "four", {"b/0.png": GREY[0], "b/1.png": GREY[1], "c/2.png": GREY[2], "c/3.png": GREY[3]}
    )
    one, two, three, four = (
        load(tmp_path / name, tmp_path / "cache").about.content
        for name in ("one", "two.zip", "three", "four")
    )
    assert one == two
    assert len({one, three, four}) == 3


def test_a_truncated_entry_is_written_again(tmp_path):
    path, cache = (
        write_zip(tmp_path / "set.zip", {"a/0.png": GREY[0], "a/1.png": GREY[1]}),
        tmp_path / "cache",
    )
    load(path, cache)
    entry = next(cache.iterdir())
    for name in ("pixels.npy", "about.json"):
        (entry / name).write_bytes((entry / name).read_bytes()[:-20])
        np.testing.assert_array_equal(load(path, cache).x[:, 0], GREY[:2])


def test_damaged_images_are_errors_or_left_out_and_counted(tmp_path):
    path, cache = tmp_path / "set", tmp_path / "cache"
    write_folder(path, {f"{k:02}.png": GREY[k] for k in range(12)})
    for k in (0, 5, 6, 9):
        write(path / f"{k:02}.png", png(GREY[k])[:40])
    with pytest.raises(
        CorruptDataError,
        match=r"00\.png: not a readable image .* `skip_corrupt: true`, or --skip-corrupt",
    ):
        load(path, cache)
    assert list(cache.iterdir()) == []
    remaining = load(path, cache, skip_corrupt=True)
    np.testing.assert_array_equal(remaining.x[:, 0], np.delete(GREY, (0, 5, 6, 9), axis=0))
    assert remaining.note.startswith("4 damaged images left out (")
    assert "05.png: not a readable image" in remaining.note
    assert remaining.note.endswith("; ...)")
    assert load(path, cache, skip_corrupt=True).note == remaining.note
    for k in range(12):
        write(path / f"{k:02}.png", b"")
    with pytest.raises(CorruptDataError, match="none of 12 images can be read"):
        load(path, cache, skip_corrupt=True)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            COLOUR[0],
            r"2\.png is 8x8 colour, but the images before it are 8x8 greyscale; give all images the same size",
        ),
        (GREY[0, :5], r"2\.png is 8x5 greyscale, but the images before it are 8x8 greyscale"),
    ],
)
def test_different_sizes_or_modes_are_errors_unless_mixed_is_set(tmp_path, other, message):
    write_folder(tmp_path / "set", {"1.png": GREY[1], "2.png": other, "3.png": GREY[3]})
    with pytest.raises(EbmoodError, match=message):
        load(tmp_path / "set", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    part = ImageSet(path="set", mixed=True).find(tmp_path).train
    mixed = load_decoded(part, 8, None, tmp_path / "cache", False)
    assert mixed.x.shape == (3, 3, 8, 8)
    np.testing.assert_array_equal(mixed.x[0], np.stack([GREY[1]] * 3))


def test_a_full_disk_is_an_error_and_leaves_no_files(tmp_path):
    path, cache = write(tmp_path / "a-images-idx3-ubyte", idx_bytes(pixels(3000, 8, 8))), tmp_path / "cache"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # like a full disk, it makes a write fail
    try:
        with pytest.raises(EbmoodError) as caught:
            load(path, cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    message = str(caught.value)
    assert message.startswith(
        f"{cache}: decoded images cannot be written (File too large); free disk space, or choose"
    )
    assert "\n" not in message
    assert listing(cache) == []
    assert len(load(path, cache).x) == 3000


def test_a_cache_that_cannot_be_created_is_an_error(tmp_path):
    path = write(tmp_path / "a-images-idx3-ubyte", idx_bytes(GREY))
    (tmp_path / "file").write_text("")
    with pytest.raises(
        EbmoodError, match=r"decoded images cannot be written .* choose another folder by `cache`"
    ):
        load(path, tmp_path / "file" / "cache")


def test_an_interrupted_decoding_leaves_no_files(tmp_path):
    path = write(tmp_path / "a-images-idx3-ubyte", idx_bytes(GREY))
    part = user_parts(path).train

    def read():
        sequence = part.read()

        def load_image(i):
            if i == 7:
                raise KeyboardInterrupt
            return sequence.load(i)

        return type(sequence)(sequence.count, load_image)

    with pytest.raises(KeyboardInterrupt):
        load_decoded(type(part)(part.description, part.files, read), 8, None, tmp_path / "cache", False)
    assert listing(tmp_path / "cache") == []


def test_removed_files_are_an_error(tmp_path):
    part = user_parts(write(tmp_path / "a-images-idx3-ubyte", idx_bytes(GREY))).train
    (tmp_path / "a-images-idx3-ubyte").unlink()
    with pytest.raises(MissingDataError, match="a-images-idx3-ubyte: cannot be found or read"):
        load_decoded(part, 8, None, tmp_path / "cache", False)

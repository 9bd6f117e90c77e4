import os
import resource
from pathlib import Path

import numpy as np
import pytest
from written_images import idx_bytes, pixels, png, write, write_folder, write_zip

from ebmood.core.errors import EbmoodError
from ebmood.data.images.decode_cache import decoded
from ebmood.data.images.image_sets import ImageSet, own_parts
from ebmood.data.images.readers import CorruptDataError, MissingDataError

GREY, COLOUR = pixels(12, 8, 8), pixels(12, 8, 8, 3)


def load(place: Path, cache: Path, size=8, channels=None, skip_corrupt=False):
    return decoded(own_parts(place).train, size, channels, cache, skip_corrupt)


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_decoded_images_are_mapped_and_a_second_load_decodes_nothing(tmp_path):
    place, cache = tmp_path / "set", tmp_path / "cache"
    write_folder(place, {f"{'ab'[k % 2]}/{k:02}.png": COLOUR[k] for k in range(12)})
    first = load(place, cache)
    order = [*range(0, 12, 2), *range(1, 12, 2)]
    np.testing.assert_array_equal(first.x, COLOUR[order].transpose(0, 3, 1, 2))
    assert first.labels.tolist() == ["a"] * 6 + ["b"] * 6
    assert isinstance(first.x, np.memmap)
    assert not first.x.flags.writeable
    # Ruin an image but not its size or time: only a second decoding could notice.
    image = place / "a" / "00.png"
    stat = image.stat()
    image.write_bytes(bytes(stat.st_size))
    os.utime(image, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = load(place, cache)
    np.testing.assert_array_equal(again.x, first.x)
    assert again.about == first.about
    os.utime(image)
    with pytest.raises(CorruptDataError, match=r"00\.png: is no image that can be read"):
        load(place, cache)


def test_another_size_shape_or_content_is_another_entry(tmp_path):
    place, cache = tmp_path / "set.zip", tmp_path / "cache"
    write_zip(place, {"0.png": GREY[0]})
    contents = {load(place, cache, size, channels).about.content for size in (8, 4) for channels in (1, 3)}
    assert len(contents) == 4
    assert len(list(cache.iterdir())) == 4
    write_zip(place, {"0.png": GREY[1]})
    changed = load(place, cache)
    np.testing.assert_array_equal(changed.x[0, 0], GREY[1])
    assert changed.about.content not in contents


def test_content_depends_on_pixels_and_labels_and_not_on_the_place(tmp_path):
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


def test_an_entry_that_was_cut_short_is_made_again(tmp_path):
    place, cache = (
        write_zip(tmp_path / "set.zip", {"a/0.png": GREY[0], "a/1.png": GREY[1]}),
        tmp_path / "cache",
    )
    load(place, cache)
    entry = next(cache.iterdir())
    for spoil in ("pixels.npy", "about.json"):
        (entry / spoil).write_bytes((entry / spoil).read_bytes()[:-20])
        np.testing.assert_array_equal(load(place, cache).x[:, 0], GREY[:2])


def test_damaged_images_are_named_or_left_out_and_counted(tmp_path):
    place, cache = tmp_path / "set", tmp_path / "cache"
    write_folder(place, {f"{k:02}.png": GREY[k] for k in range(12)})
    for k in (0, 5, 6, 9):
        write(place / f"{k:02}.png", png(GREY[k])[:40])
    with pytest.raises(
        CorruptDataError,
        match=r"00\.png: is no image that can be read .* `skip_corrupt: true`, or --skip-corrupt",
    ):
        load(place, cache)
    assert list(cache.iterdir()) == []
    left = load(place, cache, skip_corrupt=True)
    np.testing.assert_array_equal(left.x[:, 0], np.delete(GREY, (0, 5, 6, 9), axis=0))
    assert left.note.startswith("4 damaged images left out (")
    assert "05.png: is no image" in left.note
    assert left.note.endswith("; ...)")
    assert load(place, cache, skip_corrupt=True).note == left.note
    for k in range(12):
        write(place / f"{k:02}.png", b"")
    with pytest.raises(CorruptDataError, match="none of 12 images can be read"):
        load(place, cache, skip_corrupt=True)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (
            COLOUR[0],
            r"2\.png is 8x8 colour where those before it are 8x8 greyscale; make them alike, or set `mixed",
        ),
        (GREY[0, :5], r"2\.png is 8x5 greyscale where those before it are 8x8 greyscale"),
    ],
)
def test_mixed_sizes_or_modes_are_named_unless_they_are_wanted(tmp_path, odd, message):
    write_folder(tmp_path / "set", {"1.png": GREY[1], "2.png": odd, "3.png": GREY[3]})
    with pytest.raises(EbmoodError, match=message):
        load(tmp_path / "set", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    wanted = ImageSet(path="set", mixed=True).find(tmp_path).train
    mixed = decoded(wanted, 8, None, tmp_path / "cache", False)
    assert mixed.x.shape == (3, 3, 8, 8)
    np.testing.assert_array_equal(mixed.x[0], np.stack([GREY[1]] * 3))


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    place, cache = write(tmp_path / "a-images-idx3-ubyte", idx_bytes(pixels(3000, 8, 8))), tmp_path / "cache"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # like a full disk: a write that fails
    try:
        with pytest.raises(EbmoodError) as caught:
            load(place, cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    message = str(caught.value)
    assert message.startswith(
        f"{cache}: decoded images cannot be kept there (File too large); make room, or name"
    )
    assert "\n" not in message
    assert listing(cache) == []
    assert len(load(place, cache).x) == 3000


def test_a_cache_that_cannot_be_made_is_told(tmp_path):
    place = write(tmp_path / "a-images-idx3-ubyte", idx_bytes(GREY))
    (tmp_path / "file").write_text("")
    with pytest.raises(
        EbmoodError, match=r"decoded images cannot be kept there .* name another folder by `cache`"
    ):
        load(place, tmp_path / "file" / "cache")


def test_an_interrupted_decoding_leaves_nothing(tmp_path):
    place = write(tmp_path / "a-images-idx3-ubyte", idx_bytes(GREY))
    part = own_parts(place).train

    def read():
        pictures = part.read()

        def picture(i):
            if i == 7:
                raise KeyboardInterrupt
            return pictures.picture(i)

        return type(pictures)(pictures.count, picture)

    with pytest.raises(KeyboardInterrupt):
        decoded(type(part)(part.where, part.files, read), 8, None, tmp_path / "cache", False)
    assert listing(tmp_path / "cache") == []


def test_files_that_vanish_are_told(tmp_path):
    part = own_parts(write(tmp_path / "a-images-idx3-ubyte", idx_bytes(GREY))).train
    (tmp_path / "a-images-idx3-ubyte").unlink()
    with pytest.raises(MissingDataError, match="a-images-idx3-ubyte: cannot be found or read"):
        decoded(part, 8, None, tmp_path / "cache", False)

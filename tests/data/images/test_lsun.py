import numpy as np
import pytest
from helpers.images import (
    pixels,
    png,
    write_lmdb,
)

from ebmood.data.images.image_sets import ImageSet
from ebmood.data.images.readers import CorruptDataError


@pytest.mark.parametrize("folder", [".", "lsun"])
def test_original_databases_are_read(tmp_path, folder):
    x = {
        f"{key}1c44e5f5175a7e6358d207660f971d90abaf4": pixels(1, 30 + key, 26, 3, seed=key)[0]
        for key in range(4)
    }
    for category, keys in {"church_outdoor": (0, 2), "tower": (1,)}.items():
        write_lmdb(
            tmp_path / folder / f"{category}_val_lmdb", {list(x)[key]: x[list(x)[key]] for key in keys}
        )
    part = ImageSet(set="lsun").find(tmp_path).test
    sequence = part.read()
    assert part.mixed
    assert sequence.labels.tolist() == ["church_outdoor"] * 2 + ["tower"]
    for number, key in enumerate((0, 2, 1)):
        np.testing.assert_array_equal(np.asarray(sequence.load(number)), list(x.values())[key])
    write_lmdb(tmp_path / folder / "test_lmdb", x)
    parts = ImageSet(set="lsun").find(tmp_path)
    sequence = parts.test.read()
    assert parts.train is None
    assert sequence.labels is None
    assert sequence.names[3].startswith("test_lmdb/31c44e5f")
    np.testing.assert_array_equal(np.asarray(sequence.load(3)), list(x.values())[3])


def test_damaged_databases_are_errors_with_their_name(tmp_path):
    x = {f"{key:040}": pixels(1, 60, 60, 3, seed=key)[0] for key in range(9)}
    write_lmdb(tmp_path / "test_lmdb", x)
    part = ImageSet(set="lsun").find(tmp_path).test
    file = tmp_path / "test_lmdb" / "data.mdb"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2 // 4096 * 4096])
    with pytest.raises(
        CorruptDataError, match=r"test_lmdb: data\.mdb has \d+ bytes, but its header requires"
    ):
        part.read()
    file.write_bytes(b"<html>" * 2000)
    with pytest.raises(CorruptDataError, match="test_lmdb: not a readable LMDB database"):
        part.read()
    other = tmp_path / "other"
    write_lmdb(other / "test_lmdb", x)
    file = other / "test_lmdb" / "data.mdb"
    at = file.read_bytes().index(png(list(x.values())[4])[:64])
    file.write_bytes(file.read_bytes()[:at] + bytes(64) + file.read_bytes()[at + 64 :])
    sequence = ImageSet(set="lsun").find(other).test.read()
    with pytest.raises(CorruptDataError, match=r"test_lmdb: 0+4: not a readable image"):
        sequence.load(4)

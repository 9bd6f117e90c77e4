import numpy as np
import pytest
from helpers.images import idx_bytes, pixels, write, write_folder, write_zip

from ebmood.core.errors import EbmoodError
from ebmood.data.images.image_sets import ImageSet, user_parts
from ebmood.data.images.readers import MissingDataError

GREY, COLOUR = pixels(6, 9, 9), pixels(6, 9, 9, 3)


LABELS = np.array([2, 0, 1, 2, 0, 1])


def read(part):
    sequence = part.read()
    images = np.stack([np.asarray(sequence.load(i)) for i in range(sequence.count)])
    return images, None if sequence.labels is None else sequence.labels.tolist()


def test_an_idx_test_file_is_read_with_its_training_file(tmp_path):
    test = write(tmp_path / "a-test-images-idx3-ubyte.gz", idx_bytes(GREY))
    parts = user_parts(test)
    assert parts.train is None
    np.testing.assert_array_equal(read(parts.test)[0], GREY)
    write(tmp_path / "a-train-images-idx3-ubyte.gz", idx_bytes(GREY[:2]))
    assert len(read(user_parts(test).train)[0]) == 2
    folder = user_parts(write(tmp_path / "raw" / "t10k-images-idx3-ubyte", idx_bytes(GREY)).parent)
    np.testing.assert_array_equal(read(folder.test)[0], GREY)


def test_known_sets_are_found_by_their_name(tmp_path):
    with pytest.raises(
        MissingDataError, match=r"notmnist was not found in .*; put notmnist/ \(a folder of images\)"
    ):
        ImageSet(set="notmnist").find(tmp_path)
    write(tmp_path / "notmnist-test-images-idx3-ubyte.gz", idx_bytes(GREY))
    np.testing.assert_array_equal(read(ImageSet(set="notmnist").find(tmp_path).test)[0], GREY)
    write_zip(tmp_path / "cifar10-tiny.zip", {"train/a/0.png": COLOUR[0], "test/a/0.png": COLOUR[1]})
    np.testing.assert_array_equal(read(ImageSet(set="cifar10").find(tmp_path).test)[0], COLOUR[1:2])
    with pytest.raises(MissingDataError, match="cifar100 was not found in"):
        ImageSet(set="cifar100").find(tmp_path)
    write_folder(tmp_path / "lsun", {"room/0.png": COLOUR[0], "room/1.png": GREY[0]})
    assert ImageSet(set="lsun").find(tmp_path).train.mixed
    np.savez(tmp_path / "notmnist.npz", X=GREY)
    with pytest.raises(
        EbmoodError, match=r"both notmnist\.npz and notmnist-test-images-idx3-ubyte\.gz could be"
    ):
        ImageSet(set="notmnist").find(tmp_path)


def test_a_word_is_a_known_set_or_a_path():
    assert ImageSet.model_validate("svhn") == ImageSet(set="svhn")
    assert ImageSet.model_validate("my/pumps.v2.zip").title == "pumps"
    assert ImageSet(set="fmnist", colourised=True).title == "fmnist-colourised"
    assert ImageSet(path="a.zip", name="b").title == "b"
    with pytest.raises(ValueError, match="either a `set` or a `path`"):
        ImageSet(set="svhn", path="a.zip")


def test_a_missing_path_is_an_error(tmp_path):
    with pytest.raises(
        MissingDataError, match=r"kmnst: no such file or folder \(known sets are fmnist, mnist"
    ):
        ImageSet.model_validate("kmnst").find(tmp_path)

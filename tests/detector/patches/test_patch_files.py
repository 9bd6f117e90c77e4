import json

import numpy as np
import pytest
import torch
from helpers.filter_embedder import FilterEmbedder, name_embedders
from safetensors.numpy import load_file

import ebmood
from ebmood import EbmoodError
from ebmood.detector.patches import PatchDetector
from ebmood.detector.patches.patch_files import load_patch_detector, read_patch_metadata
from ebmood.detector.persistence.detector_files import JSON_NAME, is_patch_detector, read_detector
from ebmood.embedders import EmbedderOptions


@pytest.fixture(autouse=True)
def _names(monkeypatch):
    name_embedders(monkeypatch)


@pytest.fixture
def saved(detector, tmp_path):
    detector.save(tmp_path / "model", {"by": "me"})
    return tmp_path / "model"


def test_a_loaded_detector_is_equal_to_the_bit(detector, saved, textures):
    loaded = ebmood.load(saved)
    assert isinstance(loaded, PatchDetector)
    np.testing.assert_array_equal(
        loaded.heat_maps(textures["damaged"]), detector.heat_maps(textures["damaged"])
    )
    np.testing.assert_array_equal(loaded.p_values(textures["new"]), detector.p_values(textures["new"]))
    assert loaded.get_params() == detector.get_params() | {"embed": loaded.embedder_}
    assert loaded.offset_ == detector.offset_
    assert loaded.history_ == detector.history_
    assert loaded.notes_ == {"by": "me"}
    assert loaded.training_images_.pictures == detector.training_images_.pictures
    np.testing.assert_array_equal(loaded.training_images_.features, detector.training_images_.features)
    before = (saved / JSON_NAME).read_bytes()
    loaded.save(saved)
    assert json.loads((saved / JSON_NAME).read_bytes())["detector"] == json.loads(before)["detector"]
    assert len(list(saved.iterdir())) == 2


def test_the_files_are_json_and_safetensors_and_prototypes_have_no_pictures(
    saved, embedder, textures, tmp_path
):
    document = json.loads((saved / JSON_NAME).read_text())
    assert document["format"] == "ebmood-patches"
    (weights,) = saved.glob("patches-*.safetensors")
    assert {"memory.memory", "pictures"} <= set(load_file(weights))
    PatchDetector(embed=embedder, alpha=0.1, memory="prototypes").fit(textures["fit"]).save(tmp_path / "p")
    (weights,) = (tmp_path / "p").glob("patches-*.safetensors")
    assert all(name.startswith("memory.") for name in load_file(weights))
    assert ebmood.load(tmp_path / "p").training_images_ is None
    assert read_patch_metadata(tmp_path / "p").pictures == 0


def test_another_embedder_is_refused(saved, monkeypatch):
    with pytest.raises(EbmoodError, match="image size is 32, but was 64"):
        load_patch_detector(saved, embed=FilterEmbedder(EmbedderOptions(image_size=32)))
    with pytest.raises(EbmoodError, match="not with a module"):
        ebmood.load(saved, embed=torch.nn.Identity())
    changed = FilterEmbedder()
    changed.identity = changed.identity.updated(sha256="0" * 64)
    with pytest.raises(EbmoodError, match="is not the embedder of the fit") as error:
        load_patch_detector(saved, embed=changed)
    assert "\n" not in str(error.value)
    assert load_patch_detector(saved, embed=FilterEmbedder()).embedder_.identity.name == "filters"


def test_changed_files_are_refused(saved):
    (weights,) = saved.glob("patches-*.safetensors")
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(EbmoodError, match="changed or truncated"):
        ebmood.load(saved)
    weights.write_bytes(content)
    document = json.loads((saved / JSON_NAME).read_text())
    document["detector"]["alpha"] = 0.9
    (saved / JSON_NAME).write_text(json.dumps(document))
    with pytest.raises(EbmoodError, match="changed since it was written"):
        ebmood.load(saved)


def test_detectors_of_rows_and_of_patches_are_not_confused(saved, tmp_path):
    assert is_patch_detector(saved)
    assert not is_patch_detector(tmp_path)
    with pytest.raises(EbmoodError, match="a detector of patches") as error:
        read_detector(saved)
    assert "\n" not in str(error.value)
    rows = np.random.default_rng(0).normal(size=(60, 2))
    ebmood.EnergyDetector(random_state=0, alpha=0.2).fit(rows).save(tmp_path / "rows")
    assert not is_patch_detector(tmp_path / "rows")
    with pytest.raises(EbmoodError, match="no format 'ebmood-patches'"):
        load_patch_detector(tmp_path / "rows")

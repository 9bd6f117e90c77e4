import numpy as np
import pytest
from PIL import Image

from ebmood import EbmoodError
from ebmood.detector.io.image_stream import ImageStream
from ebmood.detector.patches import PatchDetector, PatchSettings
from ebmood.detector.patches.heat_map import overlay
from ebmood.detector.patches.patch_folder import PatchFolderDetector, check_map_folder
from ebmood.detector.raw.saved_detector import score_input


def write(folder, images):
    (folder / "inner").mkdir(parents=True)
    for k, image in enumerate(images):
        name = f"inner/{k:02}.png" if k % 2 else f"{k:02}.png"
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / name)
    return folder


@pytest.fixture
def photos(tmp_path, textures):
    return write(tmp_path / "photos", [*textures["damaged"][:5], *textures["new"][:5]])


def test_scores_have_paths_and_places_and_maps_are_written_for_flagged_images(
    detector, photos, textures, tmp_path
):
    folder = PatchFolderDetector(detector)
    (batch,) = folder.score(ImageStream.open(photos), maps=tmp_path / "maps")
    names = batch.kept_columns["file"].to_pylist()
    images = np.stack([np.asarray(Image.open(photos / name)).transpose(2, 0, 1) for name in names])
    np.testing.assert_array_equal(batch.scores, detector.score_samples(images))
    grid = detector.heat_maps(images, 16).reshape(len(images), -1).argmax(1)
    np.testing.assert_array_equal(batch.kept_columns["where_x"], grid % 16 * 4 + 2)
    np.testing.assert_array_equal(batch.kept_columns["where_y"], grid // 16 * 4 + 2)
    written = sorted(
        path.relative_to(tmp_path / "maps").as_posix() for path in (tmp_path / "maps").rglob("*.*")
    )
    assert written == sorted(f"{name}.png" for name, flag in zip(names, batch.flags, strict=True) if flag)
    assert 5 <= len(written) < 10
    first = int(batch.flags.argmax())
    expected = overlay(images[first], detector.heat_maps(images, 16)[first], detector.heat_scale_)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "maps" / f"{names[first]}.png")), expected)


def test_places_are_pixels_of_images_of_any_size(detector, textures, tmp_path):
    image = Image.fromarray(textures["damaged"][0].transpose(1, 2, 0))
    wide = Image.new("RGB", (192, 128))
    wide.paste(image.resize((128, 128)), (32, 0))
    (tmp_path / "wide").mkdir()
    wide.save(tmp_path / "wide" / "a.png")
    (batch,) = PatchFolderDetector(detector).score(ImageStream.open(tmp_path / "wide"))
    x, y = (batch.kept_columns[name][0].as_py() for name in ("where_x", "where_y"))
    assert textures["masks"][0][y // 2, (x - 32) // 2]


def test_damaged_files_are_skipped_in_fits_and_scores(embedder, textures, tmp_path):
    photos = write(tmp_path / "photos", textures["fit"][:30])
    (photos / "04.png").write_bytes(b"no image")
    with pytest.raises(EbmoodError, match=r"04\.png.*skip_corrupt"):
        PatchFolderDetector.fit(PatchDetector(embed=embedder, random_state=0), ImageStream.open(photos))
    stream = ImageStream.open(photos, skip_corrupt=True)
    estimator = PatchDetector(embed=embedder, alpha=0.2, patches=PatchSettings(patches=200), random_state=0)
    folder = PatchFolderDetector.fit(estimator, stream)
    assert len(stream.skipped) == 1
    assert folder.estimator.n_training_rows_ + len(folder.estimator.calibration_scores_) == 29
    stream = ImageStream.open(photos, skip_corrupt=True)
    (batch,) = folder.score(stream)
    assert len(batch.scores) == 29
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.png").write_bytes(b"no image")
    with pytest.raises(EbmoodError, match="none of 1 images can be read"):
        list(folder.score(ImageStream.open(tmp_path / "none", skip_corrupt=True)))


def test_maps_need_a_folder_outside_the_images_and_a_detector_of_patches(detector, photos, tmp_path):
    stream = ImageStream.open(photos)
    (tmp_path / "file").write_text("x")
    with pytest.raises(EbmoodError, match="is a file"):
        check_map_folder(tmp_path / "file", stream)
    for inside in (photos, photos / "maps"):
        with pytest.raises(EbmoodError, match="lies in the folder of the images"):
            check_map_folder(inside, stream)
    check_map_folder(tmp_path / "photos-maps", stream)
    with pytest.raises(EbmoodError, match="lies in the folder"):
        score_input(PatchFolderDetector(detector), stream, maps=photos / "maps")

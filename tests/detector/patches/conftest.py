import numpy as np
import pytest
from helpers.filter_embedder import FilterEmbedder

from ebmood.data.images.textures import damage_images, make_textures
from ebmood.detector.patches import PatchDetector, PatchSettings

pytest.importorskip("PIL.Image")

SMALL = PatchSettings(patches=400)


@pytest.fixture(scope="session")
def embedder() -> FilterEmbedder:
    return FilterEmbedder()


@pytest.fixture(scope="session")
def textures() -> dict[str, np.ndarray]:
    """Images of leather, 64 x 64: for the fit, others, and others with blots, of which `masks` has the pixels."""
    rng = np.random.default_rng(0)
    images = {
        name: make_textures("leather", count, rng, 64) for name, count in {"fit": 60, "new": 20}.items()
    }
    images["damaged"], images["masks"] = damage_images(make_textures("leather", 20, rng, 64), "blot", rng)
    return images


@pytest.fixture(scope="session")
def detector(embedder, textures) -> PatchDetector:
    """A detector of leather. Tests must not change it."""
    return PatchDetector(embed=embedder, alpha=0.1, patches=SMALL, random_state=0).fit(textures["fit"])

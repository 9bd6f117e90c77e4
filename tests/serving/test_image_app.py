"""The service of images: the answer for each image is what `ebmood score` writes about its file."""

import io
import json
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from helpers.filter_embedder import name_embedders
from helpers.run_cli import run
from helpers.running_service import running
from PIL import Image

from ebmood.data.images.textures import make_textures
from ebmood.detector.raw.saved_detector import load_any_detector
from ebmood.serving.bodies import Limits
from ebmood.serving.image_app import create_image_app

KINDS = {
    "pixels": ("--size", 8),
    "embedder": ("--embed", "filters"),
    "patches": ("--embed", "filters", "--where"),
}
LIMITS = Limits(bytes=100_000)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Bricks for the fit; bricks and wood to be scored, as PNG, as large JPEG, turned by EXIF, and not square."""
    root, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    sets = {"fit": make_textures("bricks", 60, rng, 64), "new": make_textures("bricks", 4, rng, 64)}
    sets["new"] = np.concatenate([sets["new"], make_textures("wood", 4, rng, 64)])
    for name, images in sets.items():
        (root / name).mkdir()
        for k, image in enumerate(images):
            Image.fromarray(image.transpose(1, 2, 0)).save(root / name / f"{k:02}.png")
    large = Image.open(root / "new" / "00.png").resize((300, 280))
    large.save(root / "new" / "large.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    large.crop((0, 0, 300, 200)).save(root / "new" / "turned.jpg", exif=exif)
    return root


@pytest.fixture(scope="module", params=KINDS)
def served(request, photos):
    """Yield a client, the scores that `ebmood score` writes, and the answer of `ebmood inspect`."""
    model, scores = photos / request.param, photos / f"{request.param}.csv"
    with pytest.MonkeyPatch.context() as patch:
        name_embedders(patch)
        code, _, err = run(patch, "fit", photos / "fit", "-o", model, "--alpha", 0.1, *KINDS[request.param])
        assert code == 0, err
        code, _, err = run(patch, "score", model, photos / "new", "-o", scores)
        assert code == 0, err
        about = json.loads(run(patch, "inspect", model, "--json")[1])
        with running(create_image_app(load_any_detector(model), about, LIMITS)) as client:
            yield client, pd.read_csv(scores), about


def post(client: httpx.Client, content: bytes, kind: str = "image/png", **parameters) -> httpx.Response:
    return client.post("/score", content=content, headers={"content-type": kind}, params=parameters)


def test_every_image_has_the_answer_of_its_file(served, photos):
    client, scores, _ = served
    for row in scores.itertuples():
        content = (photos / "new" / row.file).read_bytes()
        answer = post(client, content, "application/octet-stream" if row.Index % 2 else "image/jpeg").json()
        assert answer["score"] == pytest.approx(row.score, rel=1e-6)
        assert (answer["p_value"], answer["flag"], answer["alpha"]) == (row.p_value, row.flag, 0.1)
        assert answer["where"] == ([row.where_x, row.where_y] if hasattr(row, "where_x") else None)
    assert scores["flag"][4:8].all()


def test_alpha_of_a_request_decides_about_its_flag(served, photos):
    client, scores, _ = served
    first = scores.iloc[0]
    content = (photos / "new" / first.file).read_bytes()
    for alpha in first.p_value - 1e-9, first.p_value:
        answer = post(client, content, alpha=alpha).json()
        assert (answer["alpha"], answer["flag"]) == (alpha, alpha >= first.p_value)
    assert post(client, content, alpha=2).status_code == 422
    assert "'reasons': no such parameter; this address has 'alpha'" in post(client, content, reasons=2).text


def test_what_is_not_an_image_is_refused_in_one_line(served):
    client, _, _ = served
    before = client.get("/health").json()["rows"]
    image = io.BytesIO()
    Image.new("RGB", (40, 40)).save(image, "PNG")
    for content in b"", b"text", image.getvalue()[:60]:
        answer = post(client, content)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("the image: not a readable image (")
        assert "skip" not in answer.json()["detail"]
    assert post(client, bytes(100_001)).json()["detail"] == (
        "the body is longer than 100000 bytes; send a smaller image"
    )
    answer = post(client, b'{"rows": []}', "application/json")
    assert answer.status_code == 415
    assert "send the content of one image file as image/jpeg" in answer.json()["detail"]
    assert client.get("/health").json() == {"status": "ok", "rows": before}


def test_the_model_is_described(served):
    client, _, about = served
    assert client.get("/model").json() == about
    assert client.get("/monitor").status_code == 404
    assert "/score" in client.get("/openapi.json").json()["paths"]

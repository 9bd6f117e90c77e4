"""From names to embedders, and the comparison with the embedder of a fit."""

import pytest
from helpers.onnx_embedder import write_embedder

from ebmood.core.errors import EbmoodError
from ebmood.core.interface import shell_messages
from ebmood.embedders import EMBEDDERS, EmbedderIdentity, EmbedderOptions, open_embedder, reopen_embedder

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def test_an_unknown_name_lists_those_that_are_known():
    with pytest.raises(EbmoodError, match="embed='resnet': unknown; give efficientnet-lite0, wordllama"):
        open_embedder("resnet")
    with shell_messages(), pytest.raises(EbmoodError, match="--embed 'resnet'"):
        open_embedder("resnet")


@pytest.mark.parametrize("embedder", EMBEDDERS, ids=lambda embedder: embedder.NAME)
def test_an_absent_package_is_named_with_the_command_that_installs_it(embedder, monkeypatch):
    from ebmood.embedders import packages

    def absent(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(packages, "import_module", absent)
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    with pytest.raises(EbmoodError, match=rf"pip install 'ebmood\[{embedder.EXTRA}\]'") as error:
        open_embedder(embedder.NAME)
    assert "\n" not in str(error.value)


def test_two_outputs_contradict_each_other(tmp_path):
    path = write_embedder(tmp_path / "e.onnx")
    with pytest.raises(EbmoodError, match="two outputs, 'maps' and 'colour'"):
        open_embedder(f"{path}#maps", EmbedderOptions(output="colour"))


def test_a_file_may_move_but_not_change(tmp_path):
    identity = open_embedder(str(write_embedder(tmp_path / "e.onnx")) + "#features").identity
    assert reopen_embedder(identity).identity == identity
    (tmp_path / "e.onnx").rename(tmp_path / "f.onnx")
    with pytest.raises(
        EbmoodError, match=r"e.onnx: the embedder of the fit does not exist any more; give embed="
    ):
        reopen_embedder(identity)
    moved = reopen_embedder(identity, str(tmp_path / "f.onnx"))
    assert moved.identity == identity.updated(name=str(tmp_path / "f.onnx"))
    write_embedder(tmp_path / "f.onnx", scale=2.0)
    with pytest.raises(EbmoodError, match="is not the embedder of the fit"):
        reopen_embedder(identity, str(tmp_path / "f.onnx"))


def test_another_output_of_the_same_file_is_refused(tmp_path):
    path = str(write_embedder(tmp_path / "e.onnx"))
    saved = open_embedder(path, EmbedderOptions(output="colour")).identity
    from ebmood.embedders.lookup import check_identity

    with pytest.raises(EbmoodError, match="output is 'features', but was 'colour' at the fit"):
        check_identity(open_embedder(path, EmbedderOptions(output="features")), saved)


def test_code_is_not_imported_because_a_detector_names_it(tmp_path, monkeypatch):
    (tmp_path / "bad_code.py").write_text("raise RuntimeError('was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    identity = EmbedderIdentity(
        name="bad_code:net", items="images", image_size=8, dimension=2, sha256="0" * 64
    )
    with pytest.raises(
        EbmoodError, match="is code, which is imported only on request; give embed='bad_code:net'"
    ):
        reopen_embedder(identity)

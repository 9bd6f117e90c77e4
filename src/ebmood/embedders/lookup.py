"""The embedder that a user names, and the embedder of an identity."""

import re
from pathlib import Path

from ebmood.core.errors import EbmoodError, InputError
from ebmood.core.interface import for_interface
from ebmood.embedders.efficientnet import EfficientNetLite0
from ebmood.embedders.embedder import Embedder, EmbedderIdentity
from ebmood.embedders.onnx_file import SUFFIX, ONNXFile
from ebmood.embedders.options import NO_OPTIONS, EmbedderOptions
from ebmood.embedders.torch_module import TorchModule
from ebmood.embedders.word_vectors import WordLlama

EMBEDDERS = (EfficientNetLite0, WordLlama)
"""The embedders whose weights ship in a package."""

_IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def open_embedder(name: str, options: EmbedderOptions = NO_OPTIONS) -> Embedder:
    """Return the embedder called `name`.

    Args:
        name: a name of `EMBEDDERS`, the path of an ONNX file, or the import path `package.module:attribute` of a
            `torch.nn.Module`. An output of a file, or a layer of a module, may follow after `#`.
        options: what the user chooses besides.

    Raises:
        EbmoodError: there is no such embedder, its package or file is absent, or an option does not apply.
    """
    for embedder in EMBEDDERS:
        if name == embedder.NAME:
            return embedder(options)
    path, separator, output = name.partition("#")
    if separator:
        if options.output not in (None, output):
            raise InputError(f"{name}: two outputs, {output!r} and {options.output!r}; name one")
        options = EmbedderOptions(options.image_size, output, options.pixels, options.device)
    if path.lower().endswith(SUFFIX):
        return ONNXFile(Path(path), options)
    if _IMPORT_PATH.fullmatch(path):
        return TorchModule(path, options)
    # On the command line, --embed is for images, and --text for texts.
    images = ", ".join(embedder.NAME for embedder in EMBEDDERS if embedder.ITEMS == "images")
    known = for_interface(images, ", ".join(embedder.NAME for embedder in EMBEDDERS))
    raise InputError(
        f"{for_interface('--embed ', 'embed=')}{name!r}: unknown; give {known}, FILE{SUFFIX}, or an import path "
        "package.module:attribute"
    )


def reopen_embedder(identity: EmbedderIdentity, name: str | None = None, device: str = "cpu") -> Embedder:
    """Return the embedder of an identity.

    Args:
        identity: the identity that was saved.
        name: another path of the same file, or the import path of the module; None for the name of the identity.
        device: device on which it computes.

    Raises:
        EbmoodError: the package or file is absent, its SHA-256 differs, or a module is not named.
    """
    if name is None and _IMPORT_PATH.fullmatch(identity.name):
        option = for_interface(f"--embed {identity.name}", f"embed={identity.name!r}")
        raise EbmoodError(
            f"{identity.name}: the embedder of the fit is code, which is imported only on request; give {option}"
        )
    if name is None and identity.name.lower().endswith(SUFFIX) and not Path(identity.name).is_file():
        option = for_interface(f"--embed FILE{SUFFIX}", f"embed='FILE{SUFFIX}'")
        raise EbmoodError(f"{identity.name}: the embedder of the fit does not exist any more; give {option}")
    is_fixed = any((name or identity.name) == embedder.NAME for embedder in EMBEDDERS)
    output = None if is_fixed else identity.output
    options = EmbedderOptions(identity.image_size, output, identity.pixels, device)
    embedder = open_embedder(name or identity.name, options)
    check_identity(embedder, identity)
    return embedder


def check_identity(embedder: Embedder, saved: EmbedderIdentity) -> None:
    """Check that an embedder is that of a fit. Its name may differ, as a file may be elsewhere.

    Raises:
        InputError: it differs; the message says in what.
    """
    now = embedder.identity
    if now.sha256 != saved.sha256:
        raise InputError(
            f"{now.name}: is not the embedder of the fit (SHA-256 {now.sha256[:12]}..., at the fit "
            f"{saved.sha256[:12]}...); restore it, or fit the detector again"
        )
    for field in ("items", "output", "image_size", "pixels", "dimension", "resizing"):
        if getattr(now, field) != getattr(saved, field):
            raise InputError(
                f"{now.name}: {field.replace('_', ' ')} is {getattr(now, field)!r}, but was "
                f"{getattr(saved, field)!r} at the fit"
            )

"""The embedder that a user names, and the embedder of an identity."""

from ebmood.core.errors import InputError
from ebmood.core.interface import for_interface
from ebmood.embedders.efficientnet import EfficientNetLite0
from ebmood.embedders.embedder import Embedder, EmbedderIdentity
from ebmood.embedders.options import EmbedderOptions

NO_OPTIONS = EmbedderOptions()

EMBEDDERS = (EfficientNetLite0,)
"""The embedders whose weights ship in a package."""


def open_embedder(name: str, options: EmbedderOptions = NO_OPTIONS) -> Embedder:
    """Return the embedder called `name`.

    Args:
        name: a name of `EMBEDDERS`.
        options: what the user chooses besides.

    Raises:
        EbmoodError: there is no such embedder, its package or file is absent, or an option does not apply.
    """
    for embedder in EMBEDDERS:
        if name == embedder.NAME:
            return embedder(options)
    known = ", ".join(embedder.NAME for embedder in EMBEDDERS)
    raise InputError(f"{for_interface('--embed', 'embed=')} {name!r}: unknown; known: {known}")


def reopen_embedder(identity: EmbedderIdentity, name: str | None = None, device: str = "cpu") -> Embedder:
    """Return the embedder of an identity.

    Args:
        identity: the identity that was saved.
        name: another path of the same file; None for that of the identity.
        device: device on which it computes.

    Raises:
        EbmoodError: the package or file is absent, or its SHA-256 differs.
    """
    options = EmbedderOptions(identity.image_size, identity.output, identity.pixels, device)
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
            f"{now.name}: changed since the fit (SHA-256 {now.sha256[:12]}..., at the fit {saved.sha256[:12]}...); "
            "restore it, or fit the detector again"
        )
    for field in ("items", "output", "image_size", "pixels", "dimension"):
        if getattr(now, field) != getattr(saved, field):
            raise InputError(
                f"{now.name}: {field} is {getattr(now, field)}, but it was {getattr(saved, field)} at the fit"
            )

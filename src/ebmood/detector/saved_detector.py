"""What the shell is given, a table or a folder of images, and the saved detector of either."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ebmood.core.errors import EbmoodError, InputError
from ebmood.data.images.image_folders import image_names
from ebmood.detector.image_detector import NOTE, ImageDetector, ImageFolder
from ebmood.detector.io.table_stream import STANDARD, TableStream, open_table
from ebmood.detector.persistence.load import load
from ebmood.detector.table_detector import Scored, TableDetector, Watch

Source = TableStream | ImageFolder
SavedDetector = TableDetector | ImageDetector


def open_source(name: Path | str, skip_corrupt: bool = False) -> Source:
    """A table, or a folder of images.

    Args:
        name: as `open_table` takes it, or a folder with images and no Parquet files.
        skip_corrupt: whether damaged images are left out.

    Raises:
        EbmoodError: it is neither, or cannot be read.
    """
    path = Path(name).expanduser()
    if str(name) == STANDARD or not path.is_dir():
        return open_table(name)
    table, images = next(path.rglob("*.parquet"), None), image_names(path)
    if table is not None and images:
        raise EbmoodError(
            f"{path}: holds tables ({table.name}) and images ({images[0]}); give a folder of one kind"
        )
    if table is not None:
        return open_table(path)
    if not images:
        raise EbmoodError(
            f"{path}: a folder without .parquet files and without images; name a table, or another folder"
        )
    return ImageFolder.open(path, skip_corrupt)


def load_detector(folder: Path, device: str = "cpu") -> SavedDetector:
    """A detector of tables or of images, as its notes say.

    Raises:
        EbmoodError: there is none, or it was changed, or it takes neither.
    """
    detector = load(folder, device=device)
    return (ImageDetector if NOTE in detector.notes_ else TableDetector).of(folder, detector)


def scored(
    detector: SavedDetector,
    source: Source,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    watch: Watch = lambda _doing, _share: None,
) -> Iterator[Scored]:
    """Score a source piece by piece, in bounded memory.

    Args:
        detector: of what the source is.
        source: with the columns of the fit, or images.
        keep: columns of a table that come back beside the scores; see `TableDetector.scored`.
        drop: columns of a table that the fit did not know.
        watch: told of progress.

    Raises:
        EbmoodError: source and detector are not of a kind, or the source cannot be used. Pieces may have come by then.
    """
    refuse_other_kind(detector, source, [*keep, *drop])
    if isinstance(detector, ImageDetector):
        assert isinstance(source, ImageFolder)
        return detector.scored(source, watch)
    assert isinstance(source, TableStream)
    return detector.scored(source, keep, drop, watch)


def refuse_other_kind(detector: SavedDetector, source: Source, columns: Sequence[str] = ()) -> None:
    """A detector of images takes images, and one of tables takes tables; only these have `columns`.

    Raises:
        InputError: the two are not of a kind.
    """
    images = isinstance(source, ImageFolder)
    if isinstance(detector, ImageDetector) and not images:
        raise InputError(
            f"{source.where}: a table, but the model was fitted on images; give a folder of images"
        )
    if isinstance(detector, TableDetector) and images:
        raise InputError(f"{source.where}: images, but the model was fitted on a table; give a table")
    if images and columns:
        raise InputError(
            f"{source.where}: images have no columns; leave out --keep and --drop (`file` names each)"
        )

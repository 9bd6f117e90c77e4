"""Open what a user names on the command line: a table or a folder of images."""

from pathlib import Path

from ebmood.core.errors import EbmoodError
from ebmood.data.images.image_folders import SUFFIXES as IMAGES
from ebmood.data.images.image_folders import image_names
from ebmood.detector.io.array_stream import ArrayStream
from ebmood.detector.io.csv_stream import CSVStream
from ebmood.detector.io.excel_stream import ExcelStream
from ebmood.detector.io.image_stream import ImageStream
from ebmood.detector.io.jsonl_stream import JSONLinesStream
from ebmood.detector.io.parquet_stream import ParquetStream, list_parquet_files
from ebmood.detector.io.table_stream import TableStream, read_errors

STANDARD = "-"
"""The name of standard input and of standard output."""

FORMATS = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".parquet", ".jsonl", ".xlsx", ".npy", ".npz")
"""Suffixes of tables."""

COMPRESSIONS = (".gz", ".zst")

OTHER_ARRAYS = (".pt", ".pth", ".safetensors", ".h5", ".hdf5", ".mat")
"""Suffixes of arrays that are not read."""

InputStream = TableStream | ImageStream


def open_table(name: Path | str) -> TableStream:
    """Open a table and read its header.

    Args:
        name: a file of one of `FORMATS`, a folder of Parquet files (with subfolders, in the order of their names), or
            `-` for CSV from standard input. Text files may be compressed, as `.csv.gz` or `.csv.zst`.
            The columns of an array are called `x0`, `x1`, ...

    Raises:
        EbmoodError: the file does not exist, has another format, is empty, or a column name occurs twice.
    """
    if str(name) == STANDARD:
        return CSVStream("standard input", None)
    path = Path(name).expanduser()
    with read_errors(path):
        if path.is_dir():
            return ParquetStream(path, list_parquet_files(path))
        if not path.exists():
            raise EbmoodError(f"{path}: no such file; check the path (relative paths start at {Path.cwd()})")
        name = path.name.lower()
        for suffix in COMPRESSIONS:
            name = name.removesuffix(suffix)
        match Path(name).suffix:
            case ".parquet" | ".pq":
                return ParquetStream(path, [path])
            case ".csv" | ".tsv" | ".txt":
                return CSVStream(str(path), path)
            case ".jsonl" | ".ndjson":
                return JSONLinesStream(path)
            case ".xlsx":
                return ExcelStream(path)
            case ".npy" | ".npz" if name == path.name.lower():
                return ArrayStream(path)
            case ".npy" | ".npz":
                raise EbmoodError(f"{path}: a compressed array; decompress it, or use numpy.savez_compressed")
        if Path(name).suffix in IMAGES:
            raise EbmoodError(f"{path}: is one image; give the folder that contains it")
        if Path(name).suffix in OTHER_ARRAYS:
            raise EbmoodError(
                f"{path}: is no table; load the array in Python, and write it with numpy.save to an .npy file"
            )
    raise EbmoodError(
        f"{path}: unknown format; give {', '.join(FORMATS)}, a folder of .parquet, or - for standard input"
    )


def open_input(name: Path | str, skip_corrupt: bool = False) -> InputStream:
    """Open a table, or a folder of images.

    Args:
        name: a table as in `open_table`, or a folder with images and without Parquet files.
        skip_corrupt: whether damaged images are skipped.

    Raises:
        EbmoodError: it is neither, or cannot be read.
    """
    path = Path(name).expanduser()
    if str(name) == STANDARD or not path.is_dir():
        return open_table(name)
    table, images = next(path.rglob("*.parquet"), None), image_names(path)
    if table is not None and images:
        raise EbmoodError(
            f"{path}: contains tables ({table.name}) and images ({images[0]}); give a folder with one kind"
        )
    if table is not None:
        return open_table(path)
    if not images:
        raise EbmoodError(
            f"{path}: a folder without .parquet files and without images; give a table, or another folder"
        )
    return ImageStream.open(path, skip_corrupt)

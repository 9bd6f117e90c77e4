"""Tables of OpenML, through scikit-learn's client and its cache on disk."""

import warnings
from http.client import HTTPException

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.data.table_files import Rows, class_name, rows_of_array


def fetch_rows(which: int | str, name: str, instead: str) -> Rows:
    """A data set of OpenML; the first call needs the network, later ones read the cache.

    Args:
        which: OpenML's number or name for it; of a name the active version is taken.
        name: what messages call the data set.
        instead: what the user can write where there is no network.

    Raises:
        EbmoodError: OpenML cannot be reached or its answer cannot be used.
    """
    from sklearn.datasets import fetch_openml

    source = f"OpenML data set {which!r} ({name})"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="A network error occurred"
            )  # told once, by the error below
            bunch: dict = fetch_openml(  # pyright: ignore[reportAssignmentType]
                name=which if isinstance(which, str) else None,
                data_id=which if isinstance(which, int) else None,
                as_frame=False,
                parser="liac-arff",  # needs no pandas
                n_retries=1,
                delay=0.5,
            )
    except (OSError, HTTPException) as error:  # URLError, HTTPError and time-outs are OSErrors
        reason = " ".join(str(getattr(error, "reason", None) or error).split())[:120]
        raise EbmoodError(
            f"{source}: OpenML cannot be reached ({reason}); connect, or write {instead}"
        ) from error
    except ValueError as error:
        reason = " ".join(str(error).split())[:120]
        raise EbmoodError(f"{source}: OpenML's answer cannot be used ({reason}); write {instead}") from error
    features = tuple(bunch["feature_names"])
    x = rows_of_array(source, features, np.asarray(bunch["data"]))
    labels = np.array([class_name(label) for label in np.asarray(bunch["target"]).tolist()], dtype=str)
    return Rows(features, x, labels, source)

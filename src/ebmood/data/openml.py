"""Tables from OpenML, with scikit-learn's client and its cache on disk."""

import warnings
from http.client import HTTPException

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.data.table_files import Rows, as_float_rows, class_name


def fetch_rows(identifier: int | str, name: str, alternative: str) -> Rows:
    """Return the rows of a data set of OpenML. The first call needs the network, later calls read the cache.

    Args:
        identifier: OpenML's number or name of the data set. For a name, the active version is used.
        name: name of the data set in messages.
        alternative: what the user can write without a network, for messages.

    Raises:
        EbmoodError: OpenML cannot be reached, or its answer cannot be used.
    """
    from sklearn.datasets import fetch_openml

    source = f"OpenML data set {identifier!r} ({name})"
    try:
        with warnings.catch_warnings():
            # The error below reports this once.
            warnings.filterwarnings("ignore", message="A network error occurred")
            bunch: dict = fetch_openml(  # pyright: ignore[reportAssignmentType]
                name=identifier if isinstance(identifier, str) else None,
                data_id=identifier if isinstance(identifier, int) else None,
                as_frame=False,
                parser="liac-arff",  # does not need pandas
                n_retries=1,
                delay=0.5,
            )
    except (OSError, HTTPException) as error:  # URLError, HTTPError and timeouts are OSErrors
        reason = " ".join(str(getattr(error, "reason", None) or error).split())[:120]
        raise EbmoodError(
            f"{source}: OpenML cannot be reached ({reason}); connect to the network, or write {alternative}"
        ) from error
    except ValueError as error:
        reason = " ".join(str(error).split())[:120]
        raise EbmoodError(
            f"{source}: the answer of OpenML cannot be used ({reason}); write {alternative}"
        ) from error
    features = tuple(bunch["feature_names"])
    x = as_float_rows(source, features, np.asarray(bunch["data"]))
    labels = np.array([class_name(label) for label in np.asarray(bunch["target"]).tolist()], dtype=str)
    return Rows(features, x, labels, source)

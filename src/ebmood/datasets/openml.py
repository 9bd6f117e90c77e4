"""Tables of OpenML, through scikit-learn's client and its cache on disk."""

from http.client import HTTPException

import numpy as np

from ebmood.datasets.reading import Rows, class_name, rows_of_array
from ebmood.errors import EbmoodError


def fetch_rows(data_id: int, name: str, instead: str) -> Rows:
    """Data set `data_id` of OpenML; the first call needs the network, later ones read the cache.

    Args:
        data_id: OpenML's number.
        name: what messages call the data set.
        instead: what the user can write where there is no network.

    Raises:
        EbmoodError: OpenML cannot be reached or its answer cannot be used.
    """
    from sklearn.datasets import fetch_openml

    source = f"OpenML data set {data_id} ({name})"
    try:
        bunch = fetch_openml(data_id=data_id, as_frame=False, parser="liac-arff", n_retries=1, delay=0.5)
    except (OSError, HTTPException) as error:  # URLError, HTTPError and time-outs are OSErrors
        reason = " ".join(str(getattr(error, "reason", None) or error).split())[:120]
        raise EbmoodError(
            f"{source}: OpenML cannot be reached ({reason}); connect, or write {instead}"
        ) from error
    except ValueError as error:
        reason = " ".join(str(error).split())[:120]
        raise EbmoodError(f"{source}: OpenML's answer cannot be used ({reason}); write {instead}") from error
    features = tuple(bunch.feature_names)
    x = rows_of_array(source, features, np.asarray(bunch.data))
    labels = np.array([class_name(label) for label in np.asarray(bunch.target).tolist()], dtype=str)
    return Rows(features, x, labels, source)

"""Tables of real rows with an identifier, an uninformative category and missing values, and a detector of them."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

from ebmood.detector import EnergyDetector
from ebmood.detector.raw.table_detector import TableDetector

COLUMNS = ["mean radius", "mean texture", "mean area"]
FIT_OPTIONS = ("--drop", "id", "--category", "site")


def write_tables(folder: Path) -> None:
    """Write `fit.csv` and `in.csv` (benign rows), `out.csv` and `out.parquet` (malignant rows)."""
    data = load_breast_cancer(as_frame=True)
    frame = data.data[COLUMNS].copy()
    frame["site"] = np.where(np.arange(len(frame)) % 3 == 0, "Oslo", "Bergen")
    frame["id"] = [f"r{i}" for i in range(len(frame))]
    frame.loc[frame.index % 50 == 7, "mean texture"] = np.nan
    benign, malignant = frame[data.target == 1], frame[data.target == 0]
    benign[:250].to_csv(folder / "fit.csv", index=False)
    benign[250:].to_csv(folder / "in.csv", index=False)
    malignant[:100].to_csv(folder / "out.csv", index=False)
    malignant[100:].to_parquet(folder / "out.parquet")


def prepare(model: Path, table: pd.DataFrame) -> tuple[pd.DataFrame, EnergyDetector]:
    """Return the rows that the estimator inside a saved detector receives, and the estimator."""
    return table[[*COLUMNS, "site"]], TableDetector.load(model).estimator

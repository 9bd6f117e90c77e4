"""The functions of `pyarrow.compute`. pyarrow makes them when it is imported, so type checkers do not know them."""

from typing import Any

import pyarrow.compute

compute: Any = pyarrow.compute

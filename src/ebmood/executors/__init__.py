"""Executors that run one task at a time, in a process of this machine or on a Dask cluster, and their dispatcher."""

"""The claims of the paper's poster, judged by the records of a study."""

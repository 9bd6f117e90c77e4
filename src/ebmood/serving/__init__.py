"""An HTTP service that scores rows with a saved detector."""

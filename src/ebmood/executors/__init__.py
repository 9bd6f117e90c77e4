"""The one seam through which work leaves this process: executors that do one piece of work at a time."""

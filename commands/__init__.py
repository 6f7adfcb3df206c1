"""One module a command word of run.py: the only place that joins the parts."""

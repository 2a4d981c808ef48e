"""Tracing: a run of a model written down call by call, as text, pictures and a page."""

"""Record a run of a model call by call, as text, pictures and a page."""

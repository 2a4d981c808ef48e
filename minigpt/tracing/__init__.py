"""Record a model's calls, as text, pictures and a page."""

"""The bank of wrong variants, and which one a function has."""

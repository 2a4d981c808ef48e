"""The bank of wrong variants, and which of them a failing function has."""

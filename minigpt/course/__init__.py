"""What teaching needs: the bank of wrong variants, and the diagnosis of a mistake by them."""

"""What teaching needs: the bank of wrong variants."""

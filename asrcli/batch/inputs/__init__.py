"""What inputs are: files below folders, addresses."""

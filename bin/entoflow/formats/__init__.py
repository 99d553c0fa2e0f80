"""The formats in which people give images with boxes or labels."""

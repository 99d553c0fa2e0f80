"""What only the identification chain knows: embedders, galleries, clusters."""

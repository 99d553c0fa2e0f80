"""What only the wingbeat chain knows: sounds, features, families of models and their comparison."""

"""A pretend observatory that carries jobs out."""

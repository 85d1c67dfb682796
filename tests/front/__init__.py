"""Tests of what accepts connections."""

"""Offline tools for an installation, which make an app of their own."""

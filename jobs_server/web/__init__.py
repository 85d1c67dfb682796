"""The pages on the LAN: server-rendered, without a database statement or a write of their own."""

from __future__ import annotations

from .blueprint import register

__all__ = ["register"]

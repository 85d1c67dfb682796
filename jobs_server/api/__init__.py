"""The routes of the wire, and what describes them."""

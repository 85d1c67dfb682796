"""The devices of a site: one interface for each kind, with an implementation for each protocol."""

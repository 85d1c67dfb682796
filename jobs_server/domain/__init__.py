"""Pure rules and checked input: no SQL, no Flask."""

"""The teachers that ship, as files."""

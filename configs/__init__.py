"""Presets: `base` holds every default once, with its source; the others only what differs."""

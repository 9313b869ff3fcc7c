"""Real data, for training teachers and for measuring what came out; nothing that learns sees it."""

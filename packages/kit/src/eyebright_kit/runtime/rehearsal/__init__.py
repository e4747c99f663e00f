"""A rehearsal of an order: `Rehearser` has the trainer itself carry out its first batches, and leaves nothing behind."""

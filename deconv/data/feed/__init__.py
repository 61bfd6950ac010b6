"""From a source to batches: their order, what is held in memory, what is made ahead of the step."""

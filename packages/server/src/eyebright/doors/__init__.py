"""Ways in: each translates a dialect into a service verb and back, and knows nothing of the others."""

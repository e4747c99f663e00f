"""Who is told of changes after they are committed. A subscriber is an entry point: a class that is given the instruments."""

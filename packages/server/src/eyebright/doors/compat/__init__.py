"""Ways in that speak as older systems did, so that their callers need not change."""

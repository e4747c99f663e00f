"""What several server tests stand on."""

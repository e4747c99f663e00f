"""The rules, without any I/O: frozen values in, new frozen values out."""

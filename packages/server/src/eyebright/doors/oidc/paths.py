"""Where the pages of a login lie."""

PREFIX = "/auth"
LOGIN, CALLBACK, LOGOUT = f"{PREFIX}/login", f"{PREFIX}/callback", f"{PREFIX}/logout"

"""Why nothing was fetched, in words for the person who gave the address."""

from enum import StrEnum


class FetchCode(StrEnum):
    """Why an address was refused or could not be fetched."""

    ADDRESS_INVALID = "address_invalid"
    SCHEME_UNKNOWN = "scheme_unknown"
    ADDRESS_DENIED = "address_denied"
    EXTRA_MISSING = "extra_missing"
    HOST_UNKNOWN = "host_unknown"
    ACCESS_DENIED = "access_denied"
    NOT_FOUND = "not_found"
    NOT_A_ZIP = "not_a_zip"
    UNSAFE_NAME = "unsafe_name"
    TOO_LARGE = "too_large"
    CHANGED = "changed"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


#: Not the address is wrong but the moment: the same order can bring it later.
PASSING = frozenset({FetchCode.CHANGED, FetchCode.UNREACHABLE})


class FetchFailed(Exception):
    """Nothing was fetched. `code` is stable, `message` is for people and holds neither a query nor credentials."""

    def __init__(self, code: FetchCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Stopped(Exception):
    """The caller's `stop` said so."""

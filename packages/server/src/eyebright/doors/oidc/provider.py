"""The provider that says who somebody is, spoken to by authlib: discovery, PKCE, state, nonce, and the signature of it all."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from eyebright.errors import Forbidden, ServiceUnavailable, Unauthenticated
from eyebright.settings import OidcSettings

PATIENCE_SECONDS = 10.0
_DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Said:
    """What the provider vouches for. `address`: of the mail account that belongs to the person."""

    address: str


class Provider:
    def __init__(self, settings: OidcSettings, secret: str) -> None:
        assert settings.issuer is not None
        self._issuer = settings.issuer
        self._assume_verified = settings.assume_verified
        manner = {
            "scope": "openid email",
            "code_challenge_method": "S256",
            "timeout": PATIENCE_SECONDS,
            "trust_env": False,
        }
        self._client: Any = OAuth().register(  # pyright: ignore[reportUnknownMemberType]
            "provider",
            server_metadata_url=settings.issuer.rstrip("/") + _DISCOVERY,
            client_id=settings.client_id,
            client_secret=secret,
            client_kwargs=manner,
        )

    async def ask(self, request: Request, callback: str) -> Response:
        """A way to the provider's page. Raises ServiceUnavailable."""
        try:
            return cast(Response, await self._client.authorize_redirect(request, callback))
        except (httpx2.HTTPError, AuthlibBaseError, ValueError) as error:
            raise self._away(error) from error

    async def heard(self, request: Request) -> Said:
        """Raises Unauthenticated for whoever comes without having been sent, or whom the provider does not vouch for;
        ServiceUnavailable."""
        try:
            token = await self._client.authorize_access_token(request)
        except httpx2.HTTPError as error:
            raise self._away(error) from error
        except (AuthlibBaseError, JoseError, ValueError) as error:
            raise Unauthenticated(f"the login did not succeed ({_words(error)}); begin again at /auth/login") from None
        return _said(token.get("userinfo") or {}, assume_verified=self._assume_verified)

    def _away(self, error: Exception) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"the login provider {self._issuer} gives no usable answer ({_words(error)}); is it up, and is "
            "EYEBRIGHT_OIDC__ISSUER right?"
        )


def _said(claims: dict[str, Any], *, assume_verified: bool) -> Said:
    address = claims.get("email")
    if not isinstance(address, str) or not address:
        raise Forbidden("the login provider tells no mail address of you; it has to grant the scope `email`")
    if claims.get("email_verified", assume_verified) is not True:
        raise Forbidden(f"the login provider does not vouch for the address {address}: {_doubt(claims)}")
    return Said(address)


def _doubt(claims: dict[str, Any]) -> str:
    if "email_verified" in claims:
        return f"its `email_verified` is {claims['email_verified']!r}, not true; have it verified there"
    return (
        "it does not say `email_verified`; whoever runs this server may believe it all the same "
        "(EYEBRIGHT_OIDC__ASSUME_VERIFIED)"
    )


def _words(error: Exception) -> str:
    if isinstance(error, httpx2.HTTPStatusError):
        return f"it answered {HTTPStatus(error.response.status_code)}"
    return str(error) or type(error).__name__

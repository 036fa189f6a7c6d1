"""The hub's HTTP interface, as far as the store needs it: files of a commit, and the list of them.

Plain HTTP by the standard library: huggingface_hub (2.4) throws a partial file away when a download breaks,
so that 3 GB begin again, and keeps no interface for ranges. Only what is asked for is fetched, and the token
goes to nobody but the hub.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import ssl
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from meetsense.errors import EngineError
from meetsense.speech.shelf.manifest import Model

HUB = "https://huggingface.co"
TIMEOUT = 30.0
"""Seconds without a byte after which a connection is given up."""
LONGEST_LISTING = 16 << 20
"""Bytes of a commit's list of files that are read."""
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
PASSING = {408, 425, 429, 500, 502, 503, 504}
"""HTTP statuses that another attempt may not meet."""
WITHOUT_NETWORK = "pull it on another PC, copy the folder here and run meetsense models import DIR"


class HubError(EngineError):
    """What the hub or the network answered; ``passing`` when another attempt may succeed."""

    def __init__(self, message: str, *, passing: bool = False, wait: float = 0.0) -> None:
        super().__init__(message)
        self.passing = passing
        self.wait = wait
        """Seconds that the server asks to wait."""


class NotAllowed(HubError):
    """The hub doesn't give this to whoever asks: 401 or 403."""


class TooShort(HubError):
    """The hub's file ends before the byte that was asked for: 416."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of a commit, as the hub lists it."""

    path: str
    size: int
    sha256: str | None
    """Of files in large file storage."""
    blob: str
    """SHA-1 of the git object: of the file itself where it is small."""


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


class _Redirects(HTTPRedirectHandler):
    """Follows redirects; the token stays with the hub, and nothing falls from https to http."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """The request that a redirect leads to."""
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise HubError(f"{_origin(req.full_url)[1]} redirects to an unencrypted address; refused")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and _origin(newurl) != _origin(req.full_url):
            request.remove_header("Authorization")
        return request


class _Proxies(ProxyHandler):
    """The environment's proxies, which never see what goes to this machine itself: a token may."""

    def proxy_open(self, req: Request, proxy: str, type: str) -> Any:
        """The response by a proxy; None: without one."""
        if urlsplit(req.full_url).hostname in LOOPBACK:
            return None
        return super().proxy_open(req, proxy, type)


class Hub:
    """A hub and the account that asks it.

    Raises EngineError for an endpoint that is no http address, for a token that is none or would go over an
    unencrypted connection, and where ``HF_HUB_OFFLINE`` forbids the network.
    """

    def __init__(
        self, endpoint: str | None = None, token: str | None = None, timeout: float = TIMEOUT
    ) -> None:
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
            raise EngineError(f"HF_HUB_OFFLINE forbids the network; unset it, or {WITHOUT_NETWORK}")
        self._endpoint = (endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
        parts = urlsplit(self._endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EngineError(f"HF_ENDPOINT: {self._endpoint!r} is no http address")
        if token is not None and not re.fullmatch("[!-~]+", token):
            raise EngineError("the token is no token: it must be one word of plain letters and digits")
        loopback = parts.hostname in LOOPBACK
        if token is not None and parts.scheme == "http" and not loopback:
            raise EngineError(f"{self._endpoint} is not encrypted; no token is sent there")
        self.token = token
        self._timeout = timeout
        self._opener = build_opener(_Redirects, _Proxies)

    @property
    def endpoint(self) -> str:
        """Address of the hub, without a slash at its end."""
        return self._endpoint

    def page(self, source: str) -> str:
        """Where a person reads about a repository."""
        return f"{self._endpoint}/{source}"

    def _open(self, url: str, what: str, headers: dict[str, str]) -> HTTPResponse:
        request = Request(url, headers={"User-Agent": "meetsense", **headers})  # noqa: S310
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            response: HTTPResponse = self._opener.open(request, timeout=self._timeout)
        except HTTPError as error:
            error.close()
            raise self._refusal(error.code, what, error.headers.get("Retry-After")) from None
        except (OSError, HTTPException, ValueError) as error:
            raise self.trouble(error) from None
        return response

    def _refusal(self, status: int, what: str, wait: str | None) -> HubError:
        if status in (401, 403):
            return NotAllowed(f"{self._endpoint} does not give {what} ({status})")
        if status == 404:
            return HubError(f"{self._endpoint} has no {what} (404)")
        if status == 416:
            return TooShort(f"{what} is shorter on {self._endpoint} than what is here")
        seconds = float(wait) if wait and re.fullmatch(r"\d{1,4}", wait) else 0.0
        return HubError(
            f"{self._endpoint} answered {status} for {what}", passing=status in PASSING, wait=seconds
        )

    def trouble(self, error: Exception) -> HubError:
        """A fault of the network in words that say what to look at."""
        reason = error.reason if isinstance(error, URLError) else error
        host = urlsplit(self._endpoint).netloc
        if isinstance(reason, socket.gaierror):
            return HubError(f"{host} cannot be found: is there a network? If not, {WITHOUT_NETWORK}")
        if isinstance(reason, ssl.SSLCertVerificationError):
            return HubError(f"{host}: its certificate cannot be trusted ({reason.verify_message})")
        if isinstance(reason, OSError) and reason.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return HubError(f"{host} cannot be reached: is there a network? If not, {WITHOUT_NETWORK}")
        if isinstance(reason, TimeoutError):
            return HubError(f"{host} sent nothing for {self._timeout:.0f} s", passing=True)
        said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return HubError(f"{host}: the connection broke ({said})", passing=True)

    def open_file(self, source: str, revision: str, path: str, start: int = 0) -> HTTPResponse:
        """A file of a commit from byte ``start`` on, where the server can (status 206). Raises HubError."""
        url = f"{self._endpoint}/{quote(source)}/resolve/{quote(revision, safe='')}/{quote(path)}"
        headers = {"Range": f"bytes={start}-"} if start else {}
        return self._open(url, f"{path} of {source} at {revision[:8]}", headers)

    def listing(self, source: str, revision: str) -> tuple[str, tuple[Listed, ...]]:
        """The commit that a revision means, and its files. Raises HubError."""
        url = f"{self._endpoint}/api/models/{quote(source)}/revision/{quote(revision, safe='')}?blobs=true"
        with self._open(url, f"{source} at {revision}", {}) as response:
            try:
                document = json.loads(response.read(LONGEST_LISTING))
                return str(document["sha"]), tuple(_listed(entry) for entry in document["siblings"])
            except (OSError, HTTPException) as error:
                raise self.trouble(error) from None
            except (ValueError, KeyError, TypeError) as error:
                raise HubError(f"{url}: not what a hub answers ({error})") from None


def _listed(entry: dict[str, Any]) -> Listed:
    large = entry.get("lfs")
    return Listed(
        path=str(entry["rfilename"]),
        size=int(large["size"] if large else entry["size"]),
        sha256=str(large["sha256"]) if large else None,
        blob=str(entry["blobId"]),
    )


def how_to_be_allowed(model: Model, hub: Hub) -> str:
    """What to do about a gated model, as one paragraph."""
    page = hub.page(model.source)
    wrong = (
        "the token was refused: its account has not accepted the conditions of this very model, or it may "
        "not read gated repositories"
        if hub.token
        else "no token was given"
    )
    return (
        f"{model.name} is gated: {hub.endpoint} gives it only to accounts that accepted its conditions, and "
        f"{wrong}. Log in, open {page}, accept the conditions there (those of other pyannote models do not "
        f"count), make a token with read access at {hub.endpoint}/settings/tokens, and run the command again "
        "with HF_TOKEN=… in the environment or --token-file FILE; the token is used for this download and "
        "kept nowhere. Or do it once on another PC, copy the folder here and run meetsense models import DIR"
    )

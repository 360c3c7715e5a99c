"""TLS settings, and what a failed handshake means in plain words."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec

from asyncload.errors import ConfigError
from asyncload.records.files import read_errors


class TlsSettings(msgspec.Struct, frozen=True):
    """How to speak TLS.

    ``verify`` is True (the system's trust), False (trust anybody), or the path
    of a PEM file of CAs to trust instead. ``certificate`` and ``key`` are PEM
    files of a client certificate; the key may be in the same file.
    ``server_name`` replaces the URL's host in SNI and in the name check.
    """

    verify: bool | str = True
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None
    passphrase: str | None = None
    """Of an encrypted key. Nobody is ever asked for one."""

    def __repr__(self) -> str:
        """Show no passphrase."""
        return f"TlsSettings({self.verify!r}, {self.certificate!r}, {self.key!r})"

    def context(self) -> ssl.SSLContext:
        """Load the files. Blocks: call it while setting up, not per request.

        Raises:
            ConfigError: a file is missing or not PEM.

        """
        trusted = self.verify if isinstance(self.verify, str) else None
        for path in (trusted, self.certificate, self.key):
            if path is None:
                continue
            with read_errors(
                Path(path),
                ConfigError,
                f"cannot read the TLS file {path!r}",
                remedy="check the path",
                missing=f"TLS file {path!r} does not exist; check the path.",
            ):
                Path(path).open("rb").close()
        try:
            context = ssl.create_default_context(cafile=trusted)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key, self._password)
        except (ssl.SSLError, OSError) as error:
            files = ", ".join(p for p in (trusted, self.certificate, self.key) if p)
            phrase = ", and its passphrase" if self.passphrase is not None else ""
            raise ConfigError(
                f"TLS files {files} cannot be read as PEM ({error}); "
                f"give PEM files, and a key that matches its certificate{phrase}."
            ) from error
        if self.verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _password(self) -> str:
        """Give the passphrase, which OpenSSL asks for. Raises ConfigError where there is none."""
        if self.passphrase is None:
            raise ConfigError(
                f"the key in {self.key or self.certificate} is encrypted; set tls.passphrase, such "
                "as ${KEY_PASSPHRASE}"
            )
        return self.passphrase


def explain(error: ssl.SSLError, name: str) -> str:
    """Say why the handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = error.verify_code
        if code in {18, 19, 20, 21}:
            return (
                "its certificate is not signed by a CA we trust; name the CA's file in tls.ca "
                "(in Python: TlsSettings(verify=FILE)), or set tls.verify to false"
            )
        if code == 10:
            return "its certificate has expired"
        if code in {62, 64}:
            return (
                f"its certificate is not for the name {name!r}; set tls.server_name, "
                "or tls.verify to false"
            )
        return f"its certificate was refused: {error.verify_message}"
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "wrong version number" in reason or "record layer failure" in reason:
        return "it does not speak TLS on this port; is it http instead of https?"
    if "certificate required" in reason:
        return "it asks for a client certificate; set tls.certificate and tls.key"
    return f"the TLS handshake failed: {reason}"

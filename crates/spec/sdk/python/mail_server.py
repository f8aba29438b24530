"""A real mail server that catches: STARTTLS with a certificate of its own authority, each mail a file.

Told a directory; writes `ca.pem`, `port` and one `.eml` per mail there.
"""

import asyncio
import datetime
import ipaddress
import os
import ssl
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PLACE = Path(sys.argv[1])


def certificate() -> ssl.SSLContext:
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc)

    def make(name, public, extensions):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the catcher's authority")])
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        made = made.not_valid_after(now + datetime.timedelta(days=2))
        for extension, critical in extensions:
            made = made.add_extension(extension, critical)
        return made.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    root = make("the catcher's authority", authority.public_key(), [(x509.BasicConstraints(True, None), True)])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = make("localhost", key.public_key(), [(names, False), (x509.BasicConstraints(False, None), True)])
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (PLACE / "ca.pem").write_bytes(root)
    (PLACE / "server.pem").write_bytes(leaf + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PLACE / "server.pem")
    return context


class Catcher:
    caught = 0

    async def handle_DATA(self, server, session, envelope):
        Catcher.caught += 1
        part = PLACE / f"{Catcher.caught:04}.part"
        part.write_bytes(envelope.original_content)
        part.rename(PLACE / f"{Catcher.caught:04}.eml")
        return "250 caught"


async def main():
    context = certificate()
    make = lambda: SMTP(Catcher(), hostname="localhost", tls_context=context, require_starttls=True)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    (PLACE / "port.part").write_text(str(server.sockets[0].getsockname()[1]))
    os.rename(PLACE / "port.part", PLACE / "port")
    await server.serve_forever()


asyncio.run(main())

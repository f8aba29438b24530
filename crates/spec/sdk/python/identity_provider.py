"""A company's identity provider of pysaml2, which answers every request with one person.

PORT, CERT and KEY are given, and those of its HTTPS if it has any; SP is the service's metadata address, read when it is
first needed. It checks that the service signs its requests, and signs its assertions with SHA-256.
"""

import base64
import ssl
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.saml import NAME_FORMAT_URI, NAMEID_FORMAT_PERSISTENT, NameID
from saml2.metadata import entity_descriptor
from saml2.server import Server
from saml2.sigver import RSACrypto

port, cert, key, sp = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
tls = sys.argv[5:7]
base = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"


def config(metadata=None):
    return IdPConfig().load({
        "entityid": f"{base}/metadata",
        "crypto_backend": "XMLSecurity",
        "service": {"idp": {
            "name": "company",
            "endpoints": {
                "single_sign_on_service": [(f"{base}/sso", BINDING_HTTP_REDIRECT)],
                "single_logout_service": [(f"{base}/slo", BINDING_HTTP_REDIRECT)],
            },
            "policy": {"default": {"lifetime": {"minutes": 5}, "name_form": NAME_FORMAT_URI}},
            "want_authn_requests_signed": True,
        }},
        "key_file": key,
        "cert_file": cert,
        "metadata": {"inline": [metadata]} if metadata else {},
    })


class Company(BaseHTTPRequestHandler):
    server_of = None

    def idp(self):
        if Company.server_of is None:
            metadata = urllib.request.urlopen(sp, timeout=10).read().decode()
            Company.server_of = Server(config=config(metadata))
            # Without the program xmlsec1 it would have nothing to check the redirect binding with.
            Company.server_of.sec.sec_backend = RSACrypto(None)
        return Company.server_of

    def do_GET(self):
        try:
            self.answer()
        except Exception as error:  # The test reads why.
            self.reply(500, "text/plain", repr(error))

    def answer(self):
        path, query = urlsplit(self.path).path, urlsplit(self.path).query
        if path.endswith("/metadata"):
            return self.reply(200, "application/xml", str(entity_descriptor(config())))
        idp, asked = self.idp(), parse_qs(query)
        request = idp.parse_authn_request(asked["SAMLRequest"][0], BINDING_HTTP_REDIRECT,
                                          relay_state=asked["RelayState"][0], sigalg=asked["SigAlg"][0],
                                          signature=asked["Signature"][0])
        to = idp.response_args(request.message)
        person = {"mail": ["ann@company.example"], "displayName": ["Ann <b>Example</b>"]}
        response = idp.create_authn_response(
            identity=person, userid="ann", name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text="ann-1"),
            authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password", "authn_auth": base},
            sign_assertion=True, sign_response=False,
            sign_alg="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", digest_alg="http://www.w3.org/2001/04/xmlenc#sha256",
            in_response_to=to["in_response_to"], destination=to["destination"], sp_entity_id=to["sp_entity_id"])
        encoded = base64.b64encode(str(response).encode()).decode()
        self.reply(200, "text/plain", f'{to["destination"]}\n{encoded}\n{asked["RelayState"][0]}')

    def reply(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", port), Company)
if tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls)
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()

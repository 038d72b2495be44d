"""Answers of a federation server (WS-Trust), which MSAL asks when the password of a federated user is given."""

from __future__ import annotations

import msal
from msal.mex import Mex

from azext_login.auth.entra.application import authority_errors
from azext_login.auth.entra.errors import Attempt, explain
from azext_login.auth.interactive.password import sign_in_with_password
from tests.fuzz.answers import HOST, SCOPES, answer_of, build_public, tokens
from tests.fuzz.mutate import Mutator
from tests.fuzz.place import Place, Wire, damaged
from tests.fuzz.run import Target
from tests.users import ALICE

_SERVER = "https://sts.contoso.example/adfs/services/trust"
_BOMB = b"<!DOCTYPE x [" + b"".join(
    b'<!ENTITY e%d "%s">' % (level, b"&e%d;" % (level - 1) * 10 if level else b"x" * 10) for level in range(10)
)

_NAMES = " ".join(f'xmlns:{prefix}="{address}"' for prefix, address in Mex.NS.items())

_METADATA = f"""<wsdl:definitions {_NAMES}>
<wsp:Policy wsu:Id="p"><wsp:ExactlyOne><wsp:All><sp:TransportBinding/>
<sp:SignedEncryptedSupportingTokens><wsp:Policy><sp:UsernameToken><wsp:Policy><sp:WssUsernameToken10/></wsp:Policy>
</sp:UsernameToken></wsp:Policy></sp:SignedEncryptedSupportingTokens></wsp:All></wsp:ExactlyOne></wsp:Policy>
<wsdl:binding name="b"><wsp:PolicyReference URI="#p"/>
<soap12:binding transport="http://schemas.xmlsoap.org/soap/http"/>
<wsdl:operation><soap12:operation soapAction="{Mex.ACTION_13}"/></wsdl:operation></wsdl:binding>
<wsdl:service><wsdl:port binding="x:b"><wsa10:EndpointReference>
<wsa10:Address>{_SERVER}/13/usernamemixed</wsa10:Address>
</wsa10:EndpointReference></wsdl:port></wsdl:service></wsdl:definitions>""".encode()

_TOKEN = f"""<s:Envelope {_NAMES}><s:Body><trust:RequestSecurityTokenResponse>
<trust:TokenType>urn:oasis:names:tc:SAML:1.0:assertion</trust:TokenType>
<trust:RequestedSecurityToken><saml:Assertion>x</saml:Assertion></trust:RequestedSecurityToken>
</trust:RequestSecurityTokenResponse></s:Body></s:Envelope>""".encode()

_FAULT = f"""<s:Envelope {_NAMES}><s:Body><s:Fault><s:Code><s:Subcode>
<s:Value>a:FailedAuthentication</s:Value></s:Subcode>
</s:Code><s:Reason><s:Text>ID3242: The security token could not be authenticated.</s:Text></s:Reason></s:Fault></s:Body>
</s:Envelope>""".encode()


def _federated(mutate: Mutator, here: Place) -> object:
    realm = {
        "account_type": "Federated", "federation_protocol": "WSTrust", "cloud_audience_urn": "urn:x",
        "federation_metadata_url": f"{_SERVER}/mex", "federation_active_auth_url": f"{_SERVER}/13/usernamemixed",
    }  # fmt: skip
    which = mutate.choose(0, 1, 2, 3)
    xml = {"Content-Type": "application/soap+xml"}
    metadata = _damaged_xml(mutate, _METADATA) if which == 1 else _METADATA
    result = _damaged_xml(mutate, _TOKEN) if which == 2 else _TOKEN
    if which == 3:
        result = _damaged_xml(mutate, _FAULT)

    def answer(method: str, url: str) -> Wire:
        if url.startswith(_SERVER):
            # A fault has status 500 (WS-Trust 1.3).
            return Wire(metadata, 200, xml) if method == "GET" else Wire(result, 500 if which == 3 else 200, xml)
        if "/userrealm/" in url:
            return damaged_realm
        return answer_of(tokens())

    damaged_realm = damaged(mutate, realm) if which == 0 else answer_of(realm)
    application = build_public(here)
    application.token_cache = msal.TokenCache()
    here.serve(answer)
    with authority_errors(HOST):
        found = sign_in_with_password(application, username=ALICE, password="x", scopes=SCOPES)
    if "error" in found:
        raise explain(found, Attempt())
    return found


def _damaged_xml(mutate: Mutator, sample: bytes) -> bytes:
    if mutate.chance(20):
        # "Billion laughs": entities that a parser must not expand.
        return _BOMB + b"]><x>&e9;</x>"
    return mutate.octets(sample)


TARGETS = (Target("federation", _federated, 3),)

"""Which file a CA's account and certificates are kept in: one of its own for each CA, so that none is taken for another's.

Traefik would go on serving what the CA before issued, until it expires. Only a name: nothing here looks at the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

CA_SERVER = "LETSENCRYPT_CA_SERVER"
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


def acme_file(variables: Mapping[str, str]) -> str:
    """``acme.json`` for Let's Encrypt itself, else ``acme-XXXXXXXX.json`` after the URL of the directory."""
    ca_server = variables.get(CA_SERVER, "").strip()
    if ca_server in ("", LETS_ENCRYPT):
        return "acme.json"
    return f"acme-{hashlib.sha256(ca_server.encode()).hexdigest()[:8]}.json"

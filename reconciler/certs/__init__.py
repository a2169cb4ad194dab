"""Certificates: what lies in ``certs/``, what is made of it, who is told, and the proof that it is served.

Values and decisions at the bottom (``model``, ``reading``, ``deciding``), what touches the disk and the network above
them, ``keeper`` on top: one pass over the certificates. A private key never leaves ``Pair.key`` but into files of 0600.
"""

"""From the bytes of dropped files to a pair that may be served, or to the reason why not. The gate of ``certs/``.

Pure: no disk, no network, no clock; with the library ``cryptography``, which is loaded with it. ``pair`` is the front.
"""

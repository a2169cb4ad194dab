"""What ``reconciler init`` is made of: the source, the variables, the certificates, the service, and the start.

Each asks a person at a terminal for what is missing, or takes what flags say, and overwrites nothing.
"""

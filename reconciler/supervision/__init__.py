"""Who looks after the daemon: systemd, if there is one. ``unit`` writes down how it is run (pure), ``systemd`` installs that,
``notify`` tells systemd that the daemon is ready, alive, and what it does.
"""

"""Where the proxies of this host send what is for our services: the files that say so, and the proof that they were read.

When that changes is decided by plans (``planning.rollout``, ``planning.traffic``); what a file says, by ``planning.upstreams``.
"""

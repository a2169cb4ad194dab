"""Floor 3: one snapshot of the host a pass (``observe``) and walking a plan through the ports (``execute``)."""

"""The Docker engine through the docker SDK: what is there, and one method per thing done to it. Decides nothing.

``engine`` is the port; ``connection`` its clients, time limits and event stream; ``read`` and ``resources`` translate
the engine's JSON into model values, ``messages`` its events (all pure).
"""

from reconciler.adapters.docker_engine.engine import DockerEngine
from reconciler.adapters.docker_engine.owners import owners

__all__ = ["DockerEngine", "owners"]

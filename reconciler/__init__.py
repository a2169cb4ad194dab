"""An event-driven GitOps reconciler for hosts that run Docker Compose stacks."""

"""What adopting a project is made of: a look at everything that changes nothing, the hand-over, the stack that takes over."""

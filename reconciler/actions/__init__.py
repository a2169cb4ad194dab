"""Commands that people run in what a stack runs: ``runs`` finds the container and writes down that it was done, ``inside``
runs the program. What one prints goes to whoever asked, and is kept nowhere.

Which container it is, is decided in ``planning.actions``.
"""

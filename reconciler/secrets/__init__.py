"""Secrets that lie in Git, encrypted with age. ``opening`` decrypts what a stack is rendered from, in memory; ``working_copy``
is what people do with such files before they commit them.
"""

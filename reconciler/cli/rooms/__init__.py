"""One module for each room: how it is made of a root's parts. Decides nothing; SDKs are imported with what needs them."""

"""Imported once by the process that starts are forked from; importing it imports the whole program."""

from tests.e2e.starting import import_everything, know_composes

import_everything()
know_composes()

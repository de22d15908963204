"""Privacy: a person is erased everywhere, does not come back with a replayed source, and a search proves it.

`erasing` removes, `tombstones` keep away, `proof` searches the whole ledger and folders. No stage of the river:
steps hand quality what drops the erased, and the command line calls the rest.
"""

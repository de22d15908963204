"""The policy: six YAML files the business owns, as frozen objects.

`load` and `check` read a folder, `publish` puts a version in force in the ledger, `stored` reads
back any version that ever was. Nouns are in `clearlane.policy.model`.
"""

from clearlane.policy.load import hashes, load, parse, texts
from clearlane.policy.model import FILES, Policy
from clearlane.policy.problems import PolicyErrors, Problem

__all__ = ["FILES", "Policy", "PolicyErrors", "Problem", "hashes", "load", "parse", "texts"]

"""The policy: six YAML files the business owns, as frozen objects.

`load` and `check` read a folder, `publish` puts a version in force in the ledger, `stored` reads
back any version that ever was. Nouns are in `clearlane.policy.model`.
"""

from clearlane.policy.checking import Report, check
from clearlane.policy.documentation import pages
from clearlane.policy.loading import hashes, load, parse, texts
from clearlane.policy.model import FILES, Policy
from clearlane.policy.playbook import playbooks
from clearlane.policy.problems import PolicyErrors, Problem
from clearlane.policy.versions import (
    Undone,
    contents,
    in_force,
    newest,
    publish,
    rollback,
    stored,
    unpublished,
)

__all__ = [
    "FILES",
    "Policy",
    "PolicyErrors",
    "Problem",
    "Report",
    "Undone",
    "check",
    "contents",
    "hashes",
    "in_force",
    "load",
    "newest",
    "pages",
    "parse",
    "playbooks",
    "publish",
    "rollback",
    "stored",
    "texts",
    "unpublished",
]

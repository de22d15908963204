"""The score stage: a model as SQL over leads and their activities, in the ledger or over files."""

from clearlane.score.additive_file import predictive_model
from clearlane.score.explain import Explanation, NotScored, RuleStory, explain
from clearlane.score.files import score_files, score_frame
from clearlane.score.scoring import Counts, run, score_at
from clearlane.score.stages import enter
from clearlane.score.statement import statement
from clearlane.sheets import Unreadable

__all__ = [
    "Counts",
    "Explanation",
    "NotScored",
    "RuleStory",
    "Unreadable",
    "enter",
    "explain",
    "predictive_model",
    "run",
    "score_at",
    "score_files",
    "score_frame",
    "statement",
]

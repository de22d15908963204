"""How well a score orders leads and tells what becomes of them, for whom, and what it means for the teams."""

from clearlane.review.judgement.circumstances import Circumstances, circumstances
from clearlane.review.judgement.judging import Calibration, Judgement, NothingToJudge, judged, selected_from
from clearlane.review.judgement.performance import Difference, Performance, calibrated
from clearlane.review.judgement.points import bands, scored

__all__ = [
    "Calibration",
    "Circumstances",
    "Difference",
    "Judgement",
    "NothingToJudge",
    "Performance",
    "bands",
    "calibrated",
    "circumstances",
    "judged",
    "scored",
    "selected_from",
]

"""Weighted logistic regression on a few columns, and the case weights that it can bear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]

STEPS: Final = 30
SMALL: Final = 1e-6
"""a step (in logits) below which the fit stands"""
RIDGE: Final = 1e-8
"""share of the information added to its diagonal, so that columns that say the same can be told apart no further"""
FAR: Final = 30.0
"""logits beyond which a probability is 0 or 1"""


@dataclass(frozen=True)
class Fit:
    """Log odds per unit of each column, their covariance, and the probability of each row (n,)."""

    odds: Floats
    covariance: Floats
    probability: Floats
    loss: float
    """weighted sum of the logistic loss in nats"""


def fitted(columns: Floats, target: NDArray[np.bool_], weight: Floats) -> Fit:
    """The most likely log odds of `target` (n,) given `columns` (n, k), by Newton's steps, halved where they overshoot.

    The first column is the constant. Rows of both outcomes are there.
    The covariance holds for outcomes that are drawn by those odds, whatever the weights: weights say how much a row
    counts, not how often it was seen.
    """
    odds = np.zeros(columns.shape[1])
    odds[0] = _logit(np.average(target, weights=weight))
    told, loss = _told(columns, odds, target, weight)
    for _ in range(STEPS):
        information = _information(columns, weight * told * (1 - told))
        step = np.linalg.solve(information, columns.T @ (weight * (target - told)))
        after, less = _told(columns, odds + step, target, weight)
        while less > loss + SMALL and np.abs(step).max() > SMALL:
            step /= 2
            after, less = _told(columns, odds + step, target, weight)
        odds, told, loss = odds + step, after, less
        if np.abs(step).max() < SMALL:
            break
    return Fit(odds, covariance(columns, told, weight), told, loss)


def chance(odds: Floats) -> Floats:
    """The probability that log odds mean, short of certain either way."""
    return np.asarray(expit(np.clip(odds, -FAR, FAR)))


def covariance(columns: Floats, told: Floats, weight: Floats) -> Floats:
    """Of the log odds, for outcomes that are drawn by `told` (n,) and weighted by `weight` (n,)."""
    spread = told * (1 - told)
    inverse = np.linalg.inv(_information(columns, weight * spread))
    middle = columns.T @ (columns * (weight**2 * spread)[:, None])
    return np.asarray(inverse @ middle @ inverse)


def tempered(weight: Floats, kept: float = 0.8) -> Floats:
    """Weights cut at the value that keeps `kept` of the effective sample size, scaled to a mean of 1.

    The few explored leads carry weights of 50; taken as they are they would drown the thousands of others. A cut
    leaves the odds unbiased where the model holds the score, by which the leads were chosen. Effective sample size:
    (sum w)² / sum w² (Kish 1965).
    """
    if _effective(weight) >= kept * len(weight):
        return np.asarray(weight / weight.mean())
    low, high = float(np.min(weight)), float(np.max(weight))
    for _ in range(STEPS):
        middle = (low + high) / 2
        enough = _effective(np.minimum(weight, middle)) >= kept * len(weight)
        low, high = (middle, high) if enough else (low, middle)
    cut = np.minimum(weight, low)
    return np.asarray(cut / cut.mean())


def _effective(weight: Floats) -> float:
    return float(weight.sum() ** 2 / (weight**2).sum())


def _information(columns: Floats, weight: Floats) -> Floats:
    information = columns.T @ (columns * weight[:, None])
    diagonal = np.diag(information)
    return np.asarray(information + np.diag(RIDGE * (diagonal + diagonal.mean())))


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def _told(columns: Floats, odds: Floats, target: NDArray[np.bool_], weight: Floats) -> tuple[Floats, float]:
    """The probability of each row, and the loss."""
    told = chance(columns @ odds)
    return told, -float(weight @ np.log(np.where(target, told, 1 - told)))

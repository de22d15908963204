"""The most even shares there can be: leads flow from pools to reps, each further lead of a rep costs more.

Solved by OR-tools' minimum cost flow, lead by lead, where it is installed; else as a linear program by HiGHS.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from itertools import count

import numpy as np
from scipy.optimize import linprog

from clearlane.policy import Policy
from clearlane.policy.model import Team
from clearlane.route.eligibility import Presence

SCALE = 1_000
Unit = tuple[str, str, int]
"""pool, rep, and the cost of one more lead"""


def spread(team: Team, policy: Policy, loads: Mapping[str, int]) -> float:
    """How far the weighted loads lie apart of the team's reps who have leads and could have one more."""
    below = [
        loads[rep] / weight
        for rep, weight in team.members
        if rep in loads and loads[rep] < (policy.teams.reps[rep].caps.day or 0)
    ]
    return max(below) - min(below)


def optimum(
    policy: Policy, present: Mapping[str, Presence], leads: Mapping[str, int]
) -> tuple[Mapping[str, int], str]:
    """Rep -> leads, of least sum of load² / weight; and who solved it. `leads` are those of each pool."""
    units = [
        (pool, rep, round(SCALE * (2 * number + 1) / weight))
        for pool, number_of in leads.items()
        for rep, weight in policy.teams.teams[pool].members
        if not present[rep].absent
        for number in range(min(number_of, present[rep].caps.day or number_of))
    ]
    if find_spec("ortools"):
        return _flow(units, leads), "OR-tools"
    return _program(units, leads), "HiGHS"


def _program(units: list[Unit], leads: Mapping[str, int]) -> Mapping[str, int]:
    pools = list(leads)
    filled = np.array([[pool == unit[0] for unit in units] for pool in pools], dtype=float)
    costs = np.array([cost for _, _, cost in units], dtype=float)
    solved = linprog(costs, A_eq=filled, b_eq=[leads[pool] for pool in pools], bounds=(0, 1), method="highs")
    return _loads(units, [bool(round(taken)) for taken in solved.x])


def _flow(units: list[Unit], leads: Mapping[str, int]) -> Mapping[str, int]:
    flow = import_module("ortools.graph.python.min_cost_flow").SimpleMinCostFlow()
    numbers = count()
    sink = next(numbers)
    node = {rep: next(numbers) for rep in {rep for _, rep, _ in units}}
    reps_of: dict[str, set[str]] = {}
    for pool, rep, _ in units:
        reps_of.setdefault(pool, set()).add(rep)
    arcs = [flow.add_arc_with_capacity_and_unit_cost(node[rep], sink, 1, cost) for _, rep, cost in units]
    for pool, total in leads.items():
        for lead in (next(numbers) for _ in range(total)):
            flow.set_node_supply(lead, 1)
            for rep in reps_of[pool]:
                flow.add_arc_with_capacity_and_unit_cost(lead, node[rep], 1, 0)
    flow.set_node_supply(sink, -sum(leads.values()))
    if flow.solve() != flow.OPTIMAL:
        raise RuntimeError("no flow takes all leads to reps")
    return _loads(units, [flow.flow(arc) == 1 for arc in arcs])


def _loads(units: list[Unit], taken: list[bool]) -> Mapping[str, int]:
    loads: dict[str, int] = {}
    for (_, rep, _), is_taken in zip(units, taken, strict=True):
        loads[rep] = loads.get(rep, 0) + is_taken
    return loads

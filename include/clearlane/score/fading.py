"""What a standing keeps so that time alone can be counted on: the weight of each rule, and until when that holds.

Every weight of a rule with a half-life shrinks by the same factor as long as nothing new happens, so what a lead
shows later follows from its standing, without its signals. A standing without weights is scored anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from clearlane.policy.model import FIRST_STAGE, Group, Rule, Scoring
from clearlane.rules import Dialect, Predicate, Type
from clearlane.rules.sql import text_literal, write
from clearlane.rules.tree import Call, Column, Literal, Node, columns_of
from clearlane.score import behaviour, standing
from clearlane.score.statement import GROUPS, SCORED, model_names
from clearlane.score.units import FARTHEST, MILLION, clamped, first_true, millionths, number

SHOWN: Final = ("score", "total", *GROUPS)
"""The columns of a standing that fade."""
# What a step computes is computed once; typed, or no parallel worker could do it.
_APART: Final = "offset bigint '0'"

# --- what is kept -----------------------------------------------------------------------------------


def weights(scoring: Scoring) -> str:
    """The weight of each rule of `fading_rules`, null where it gave nothing, as a double precision[].

    Over a row that has model, contributions (jsonb) and the columns weight_k of `behaviour.shape`.
    """
    pairs = [
        (f"model = {_text(name)}", _array([_weight(scoring, rule) for rule in fading_rules(model)]))
        for name, model in zip(model_names(scoring), scoring.models, strict=True)
    ]
    return first_true(pairs, "null")


def fading_rules(model: Scoring) -> list[Rule]:
    """The rules of the groups in which something fades: what does not has to be added up there too."""
    groups = {rule.group for rule in model.rules if rule.activity is not None}
    return [rule for rule in model.rules if rule.group in groups]


def _weight(scoring: Scoring, rule: Rule) -> str:
    weight = number(1)
    if rule.activity is not None:
        counting = behaviour.counting_of(scoring, rule.activity, rule.group)
        place = behaviour.countings(scoring).index(counting)
        weight = f"coalesce({behaviour.weight_column(place)}, {number(0)})"
    return f"case when contributions ? {_text(rule.id)} then {weight} end"


def _array(values: Sequence[str]) -> str:
    return f"cast(array[{', '.join(values)}] as double precision[])"


# --- what is shown later ----------------------------------------------------------------------------


def faded(scoring: Scoring) -> str:
    """lead_id, shown, SHOWN and `moves` of the standings as of :as_of where they are not what they were.

    Over standings scored under :policy_hash. `shown`: the score so far; `moves`: more than points changes.
    """
    models = zip(model_names(scoring), scoring.models, strict=True)
    parts = [_Fading(name, model).select() for name, model in models]
    return f"select * from ({' union all '.join(parts)}) as found where moves or score <> shown"


@dataclass(frozen=True)
class _Fading:
    """The standings of one model by now."""

    name: str
    model: Scoring

    def select(self) -> str:
        groups = ", ".join(f"{self.group(name)} as {name}_now" for name in GROUPS)
        total = " + ".join(f"{name}_now" for name in GROUPS)
        values = [f"{standing.score(self.model, f'({total})')} as score"]
        values += [f"({total}) / {number(MILLION)} as total"]
        values += [f"{name}_now / {number(MILLION)} as {name}" for name in GROUPS]
        points = f"select stood.*, {groups} from ({self.stood()}) as stood {_APART}"
        scored = f"select *, {', '.join(values)} from ({points}) as points {_APART}"
        placed = f"select *, {self.band()} as band, {standing.grade(self.model)} as grade from ({scored}) as scored"
        former = ", ".join(["shown as score", *(f"{name}_then as {name}" for name in GROUPS)])
        return f"""
         select lead_id, shown, {", ".join(f"now.{name}" for name in SHOWN)}, {self.moves()} as moves
         from ({placed} {_APART}) as now cross join lateral (select {former}) as former
        """

    def stood(self) -> str:
        left = [f"{behaviour.decay('elapsed', days)} as left_{i}" for i, days in enumerate(self.half_lives())]
        then = [f"s.{name} as {name}_then" for name in GROUPS]
        kept = [
            "s.lead_id",
            "s.stage",
            "s.disqualified",
            "s.weights",
            "s.band_since",
            "s.raised_until",
            *then,
        ]
        kept += ["s.score as shown", "s.band as band_before", "s.grade as grade_then"]
        kept += ["said.score as override_score", "said.band as override_band"]
        kept += ["date_part('epoch', cast(:as_of as timestamptz) - s.scored_at) as elapsed"]
        since = f"""
         select {", ".join(kept)}
         from standing s left join score_override said on said.override_id = s.override_id
         where s.model = {_text(self.name)} and s.weights is not null and s.policy_hash = :policy_hash
           and s.as_of <= :as_of {_APART}
        """
        return f"select {', '.join(['since.*', *left])} from ({since}) as since {_APART}"

    def half_lives(self) -> list[float]:
        terms = (rule.activity for rule in self.model.rules)
        return sorted({t.half_life_days for t in terms if t is not None and t.half_life_days is not None})

    def group(self, name: Group) -> str:
        """In millionths; a group in which nothing fades is what it was."""
        kept = fading_rules(self.model)
        points = [self.points(rule, place) for place, rule in enumerate(kept, start=1) if rule.group == name]
        if not points:
            return f"floor(stood.{name}_then * {number(MILLION)} + {number(0.5)})"
        low, high = self.model.group_bounds.get(name, (-FARTHEST, FARTHEST))
        return clamped(" + ".join(points), millionths(low), millionths(high))

    def points(self, rule: Rule, place: int) -> str:
        """What gave nothing then gives nothing now: what else it waits for is no matter of time."""
        low, high = (max(-FARTHEST, min(FARTHEST, end)) for end in rule.limits or (-FARTHEST, FARTHEST))
        if rule.activity is None:
            worth = number(millionths(max(low, min(high, rule.points))))
        else:
            half_life = rule.activity.half_life_days
            left = "" if half_life is None else f" * stood.left_{self.half_lives().index(half_life)}"
            points = clamped(f"{number(rule.points)} * (stood.weights[{place}]{left})", low, high)
            worth = f"floor({points} * {number(MILLION)} + {number(0.5)})"
        return f"case when stood.weights[{place}] is null then {number(0)} else {worth} end"

    # --- what else may change ---

    def band(self) -> str:
        elapsed = "date_part('epoch', cast(:as_of as timestamptz)) - date_part('epoch', band_since)"
        return standing.band(self.model, _text, elapsed)

    def moves(self) -> str:
        placed = "band <> band_before or grade <> grade_then"
        may_rise = f"stage = '{FIRST_STAGE}' and ({self.may_rise()})"
        return f"({placed} or coalesce(raised_until < :as_of, false) or {may_rise})"

    def may_rise(self) -> str:
        """Whether what a stage asks of points is met by now and was not, or no longer where it asks for less."""
        found = [
            _differs(part, rising=asks_for_more(rule.when))
            for rule in self.model.stages
            for part in _asked_of_points(rule.when.tree)
        ]
        return " or ".join(found) or "false"


def _differs(part: Node, *, rising: bool) -> str:
    if any(column.name not in _POINTS for column in columns_of(part)):
        named = sorted({column.name for column in columns_of(part)} & _POINTS)
        return " or ".join(f"now.{name} <> former.{name}" for name in named)
    now, then = (f"coalesce({write(part, Dialect.POSTGRES, alias)}, false)" for alias in ("now", "former"))
    return f"{now} and not {then}" if rising else f"{now} <> {then}"


_POINTS: Final = frozenset({"score", *GROUPS})


def _asked_of_points(node: Node) -> Iterator[Node]:
    """The smallest conditions in a tree that name points."""
    if not _names_points(node):
        return
    if isinstance(node, Call) and node.name in ("and", "or", "not", "is_true"):
        for argument in node.arguments:
            yield from _asked_of_points(argument)
    else:
        yield node


def asks_for_more(when: Predicate) -> bool:
    """Whether fewer points never make it hold: points stand only on the greater side of a comparison with a number."""
    return _asks_for_more(when.tree)


def _asks_for_more(node: Node) -> bool:
    if isinstance(node, Call) and node.name in ("and", "or", "is_true"):
        return all(map(_asks_for_more, node.arguments))
    if isinstance(node, Call) and node.name in (">", ">=") and isinstance(node.arguments[0], Column):
        return isinstance(node.arguments[1], Literal) or not _names_points(node)
    return not _names_points(node)


def _names_points(node: Node) -> bool:
    if isinstance(node, Column):
        return node.name in SCORED and node.type is Type.NUMBER
    return isinstance(node, Call) and any(map(_names_points, node.arguments))


def _text(text: str) -> str:
    return text_literal(text, Dialect.POSTGRES)

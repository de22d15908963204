"""sla.yaml: the promises: how soon each tier is touched and accepted, in whose hours, who is told if not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from pydantic import Field, model_validator

from clearlane.policy.document import Document
from clearlane.policy.model import (
    RUNS,
    FollowUp,
    MailRules,
    Pipeline,
    Silent,
    Sla,
    Tier,
    TierChoice,
    Told,
    Waiting,
)
from clearlane.policy.problems import Path, nearest
from clearlane.policy.shapes import DaySpan, Duration, FileShape, HoursText, Shape, SpanText, Zone

ASKED: Final = ("band", "stage", "source", "team")
"""what `choose` may ask of a lead"""


class TierShape(Shape):
    first_touch: SpanText = None
    accept: SpanText = None
    calendar: Literal["rep", "team", "always"] = "rep"
    warn_at: float = Field(default=Tier.warn_share, gt=0, lt=1)
    reassign_at: float = Field(default=Tier.reassign_factor, ge=1)
    escalate: list[Told] = Field(default=list(Tier.escalate))
    lead_hours: DaySpan = None


class ChoiceShape(Shape):
    """`{source: [partner_portal], band: [hot, warm], tier: warm}`; one name needs no brackets."""

    tier: str
    band: list[str] = Field(default=[])
    stage: list[str] = Field(default=[])
    source: list[str] = Field(default=[])
    team: list[str] = Field(default=[])

    @model_validator(mode="before")
    @classmethod
    def _from_words(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {k: [v] if k in ASKED and isinstance(v, str) else v for k, v in value.items()}

    @model_validator(mode="after")
    def _asks(self) -> ChoiceShape:
        if not any(getattr(self, name) for name in ASKED):
            raise ValueError("at least one of " + ", ".join(ASKED))
        return self


class SilentShape(Shape):
    breaches: int = Field(default=Silent.breaches, ge=1)
    within: Duration = Silent.within


class FollowUpShape(Shape):
    attempts: int = Field(ge=1)
    within: SpanText
    then: str


class MailShape(Shape):
    quiet_hours: DaySpan | None = MailRules.quiet_hours
    digest_above: int = Field(default=MailRules.digest_above, ge=1)
    per_hour: int = Field(default=MailRules.per_hour, ge=1)
    repeat_window: Duration = MailRules.repeat_window


class PipelineShape(Shape):
    """DAGs that `runs` does not name are not waited for."""

    runs: dict[str, Duration] = Field(default=dict(RUNS), min_length=1)
    open_for: Duration = Pipeline.open_for
    unread: Duration = Pipeline.unread
    owed: Duration = Pipeline.owed
    mail: Duration = Pipeline.mail
    growth: float = Field(default=Pipeline.growth, gt=1)


class TeamCalendarShape(Shape):
    zone: Zone
    hours: HoursText


class SlaShape(FileShape):
    tiers: dict[str, TierShape]
    choose: list[ChoiceShape] = Field(default=[])
    by_band: dict[str, str] = Field(default={})
    hand_raise: str
    team_calendar: TeamCalendarShape
    queues: dict[Waiting, SpanText] = Field(default={})
    head_of_sales: str | None = None
    revops: str | None = None
    marketing: str | None = None
    silent: SilentShape = SilentShape()
    late_after: Duration = Sla.late_after
    follow_up: dict[str, FollowUpShape] = Field(default={})
    stage_limit: dict[str, SpanText] = Field(default={})
    mail: MailShape = MailShape()
    later: dict[str, str] = Field(default={})
    pipeline: PipelineShape = PipelineShape()


NONE = Tier("none", None, None, "always")
EMPTY = Sla({"none": NONE}, {}, "none", {}, "UTC")


def built(document: Document, shape: SlaShape) -> Sla:
    """Tiers by name; what names no tier, and who is told but nobody, is reported."""
    for path, tier in _named(shape):
        if tier not in shape.tiers:
            document.report(path, tier, "a tier of this file", nearest(tier, shape.tiers))
    for name, one in shape.tiers.items():
        if "head_of_sales" in one.escalate and shape.head_of_sales is None:
            document.report(
                ("tiers", name, "escalate"), "head_of_sales", "who that is: `head_of_sales: <rep id>`"
            )
    return Sla(
        tiers={name: _tier(name, tier) for name, tier in shape.tiers.items()},
        by_band=dict(shape.by_band),
        hand_raise=shape.hand_raise,
        team_hours=shape.team_calendar.hours,
        team_zone=shape.team_calendar.zone,
        choose=tuple(_choice(choice) for choice in shape.choose),
        queues=dict(shape.queues),
        head_of_sales=shape.head_of_sales,
        revops=shape.revops,
        marketing=shape.marketing,
        silent=Silent(shape.silent.breaches, shape.silent.within),
        late_after=shape.late_after,
        follow_up={tier: FollowUp(f.attempts, f.within, f.then) for tier, f in shape.follow_up.items()},
        stage_limit=dict(shape.stage_limit),
        mail=_mail(shape.mail),
        later=dict(shape.later),
        pipeline=_pipeline(shape.pipeline),
    )


def _named(shape: SlaShape) -> Iterator[tuple[Path, str]]:
    """Where the file names a tier."""
    yield from ((("by_band", band), tier) for band, tier in shape.by_band.items())
    yield from ((("choose", index, "tier"), choice.tier) for index, choice in enumerate(shape.choose))
    yield from ((("follow_up", tier), tier) for tier in shape.follow_up)
    yield ("hand_raise",), shape.hand_raise


def _tier(name: str, shape: TierShape) -> Tier:
    return Tier(
        name, shape.first_touch, shape.accept, shape.calendar, shape.warn_at, shape.reassign_at,
        tuple(shape.escalate), shape.lead_hours,
    )  # fmt: skip


def _choice(shape: ChoiceShape) -> TierChoice:
    asked = {name: tuple(getattr(shape, name)) for name in ASKED}
    return TierChoice(shape.tier, **asked)


def _pipeline(shape: PipelineShape) -> Pipeline:
    return Pipeline(dict(shape.runs), shape.open_for, shape.unread, shape.owed, shape.mail, shape.growth)


def _mail(shape: MailShape) -> MailRules:
    return MailRules(shape.quiet_hours, shape.digest_above, shape.per_hour, shape.repeat_window)

"""The question that a review of the points puts to a person, in Airflow's UI, until an answer can be taken."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import quote

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowException, AirflowSkipException

from clearlane_airflow.connections import data_docs_folder, ledger
from clearlane_airflow.linked import ReportLink, address, file_page, page

OPTIONS = ["Approve", "Approve with my points", "Reject"]
"""as clearlane.review.answers names them, which no DAG file imports"""
Answered = dict[str, Any]


class PointsDecision(HITLOperator):
    """Ask a person whether the points that a review proposes are to be in force; returns the answer.

    Skipped where nothing is proposed, the review is a shadow's, or it is decided already. Who answered is what Airflow
    recorded. An answer that cannot be taken fails the try: the next one asks again and says why.
    """

    template_fields = ("review_id",)
    operator_extra_links = (ReportLink(),)

    def __init__(self, *, review_id: Any, **options: Any) -> None:
        super().__init__(subject="New points?", options=OPTIONS, defaults=OPTIONS[-1], **options)
        self.params = ParamsDict(
            _form({})
        )  # given to the constructor they would be mixed with those of the DAG
        self.review_id = review_id

    def execute(self, context: Any) -> Any:
        """Ask, unless there is nothing to ask."""
        from clearlane.review import answers, artefacts, register

        with ledger().connect() as connection:
            review = register.review_of(connection, self.review_id)
        if review.mode == "shadow" or review.status not in register.UNDECIDED:
            raise AirflowSkipException(f"nobody is asked: {review.mode}, {review.status}")
        run = context["dag_run"]
        self.subject = answers.subject(review)
        answered = file_page(run.dag_id, str(review.review_id), artefacts.DECISION)
        self.body = answers.body(review, page(run.dag_id, run.run_id), answered)
        self.params = ParamsDict(_form(answers.proposed_points(review), chance=bool(review.chance_file)))
        self.response_timeout = timedelta(days=context["params"]["answer_within"])
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Answered:
        """The answer, as plain values, once it can be taken."""
        answered = _answered(event)
        self.params = ParamsDict(_form({}, chance="chance" in (event.get("params_input") or {})))
        try:
            super().execute_complete(context, event)
            self._check(answered)
        except (AirflowException, ValueError, LookupError) as problem:
            self._ask_again(problem)
        return answered

    def _check(self, answered: Answered) -> None:
        """Raise where the answer cannot be taken. A ledger that is away now takes it, or not, when it is applied."""
        from sqlalchemy.exc import OperationalError

        from clearlane.review import answers

        try:
            with ledger().connect() as connection:
                answers.check(connection, self.review_id, answer(answered))
        except OperationalError as away:
            self.log.warning("the answer could not be checked yet: %s", type(away).__name__)

    def _ask_again(self, problem: Exception) -> NoReturn:
        from clearlane import steps

        because = str(problem).partition("\n")[0]
        steps.refuse(ledger(), self.review_id, because, data_docs_folder() / self.review_id)
        raise AirflowException(f"the answer could not be taken: {because}") from problem


def answer(answered: Mapping[str, Any]) -> Any:
    """The library's noun for what a decision task returned: clearlane.review.Answer."""
    from clearlane.review import Answer

    return Answer(**{**answered, "at": datetime.fromisoformat(answered["at"])})


def question(dag_id: str, run_id: str, task_id: str) -> str:
    """Where Airflow's UI asks."""
    return address("/dags", dag_id, "runs", quote(run_id, safe=""), "tasks", task_id, "required_actions")


def _answered(event: Mapping[str, Any]) -> Answered:
    given, who = event.get("params_input") or {}, event.get("responded_by_user")
    at = event["responded_at"]
    return {
        "option": event["chosen_options"][0],
        "at": at if isinstance(at, str) else at.isoformat(),
        "by": (who["name"] or who["id"]) if who else None,
        "points": given.get("points") or {},
        "in_force_from": given.get("in_force_from"),
        "because": given.get("because"),
        "chance": bool(given.get("chance")),
    }


def _chance() -> Param:
    return Param(
        False,
        type="boolean",
        title="Chance of conversion",
        description="Tell it beside the score, with its reasons, from the moment the points are in force.",
    )


def _form(points: Mapping[str, int], *, chance: bool = False) -> dict[str, Param]:
    return {
        "points": Param(
            dict(points),
            type="object",
            title="Points",
            description="Rule and points, of all rules that are to change; what is not named keeps what it has today."
            f" They count with “{OPTIONS[1]}”.",
        ),
        "in_force_from": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="In force from",
            description="Empty: the next midnight, UTC.",
        ),
        "because": Param(
            None,
            type=["null", "string"],
            maxLength=1000,
            title="Because",
            description="Why; a rejection needs it.",
        ),
        **({"chance": _chance()} if chance else {}),
    }

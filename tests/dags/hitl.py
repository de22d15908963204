"""Answers questions of a run under `dag.test`, as Airflow's API does: where the run pauses to wait for an answer."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

Said = Mapping[str, Any]
RUNNER = "airflow.sdk.definitions.dag"


@dataclass
class Person:
    """Gives one answer after the other to a task; keeps what it was asked."""

    task_id: str
    answers: Sequence[Said]
    """each with `option` and params; `by` None: nobody answered, the default holds"""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """subject and body of each question"""

    @contextmanager
    def waiting(self) -> Iterator[Person]:
        """Airflow 3.3 loses an answer that comes while a task is being parked: by the run's pause it is parked."""
        pause = time.sleep
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "sleep", lambda seconds: self._answered() or pause(seconds))
            yield self
        assert len(self.asked) == len(self.answers), f"asked {len(self.asked)} times"

    def _answered(self) -> bool:
        """Whether it was the run that paused, and has its answer now."""
        from airflow.utils.session import create_session

        if sys._getframe(2).f_globals["__name__"] != RUNNER:
            return False
        with create_session(scoped=False) as session:
            instance = self._waiting(session)
            if instance is not None:
                assert len(self.asked) < len(self.answers), "asked once more"
                self._say(dict(self.answers[len(self.asked)]), instance, session)
        return instance is not None

    def _waiting(self, session: Any) -> Any:
        """The instance of the task that waits for an answer, with its question."""
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.state import TaskInstanceState
        from sqlalchemy import select
        from sqlalchemy.orm import joinedload

        waits = TaskInstance.state == TaskInstanceState.AWAITING_INPUT
        query = select(TaskInstance).where(TaskInstance.task_id == self.task_id, waits)
        return session.scalar(query.options(joinedload(TaskInstance.hitl_detail)))

    def _say(self, said: dict[str, Any], instance: Any, session: Any) -> None:
        from airflow._shared.timezones import timezone
        from airflow.models.hitl import HITLUser
        from airflow.models.trigger import handle_event_submit
        from airflow.triggers.base import TriggerEvent

        detail, by = instance.hitl_detail, said.pop("by", "olga")
        self.asked.append((detail.subject, detail.body))
        detail.responded_by = HITLUser(id=by, name=by) if by else None
        detail.responded_at = timezone.utcnow()
        detail.chosen_options = [said.pop("option")]
        detail.params_input = said
        session.add(detail)
        payload = detail.as_resume_event_payload(timedout=by is None)
        handle_event_submit(TriggerEvent(payload), task_instance=instance, session=session)

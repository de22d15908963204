"""Answers questions of a run under `dag.test`, as Airflow's API does: from a thread, while the run waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

WAIT = 300.0
READING = 0.5
"""seconds from a question to its answer: Airflow 3.3 loses an answer that comes while the task is still being parked"""
Said = Mapping[str, Any]


@dataclass
class Person:
    """Gives one answer after the other to a task; keeps what it was asked, and what went wrong."""

    task_id: str
    answers: Sequence[Said]
    """each with `option` and params; `by` None: nobody answered, the default holds"""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """subject and body of each question"""

    @contextmanager
    def waiting(self) -> Iterator[Person]:
        thread = threading.Thread(target=self._answer_all, daemon=True)
        thread.start()
        yield self
        thread.join(WAIT)
        assert len(self.asked) == len(self.answers), f"asked {len(self.asked)} times"

    def _answer_all(self) -> None:
        for said in self.answers:
            if not self._answer(dict(said)):
                return

    def _answer(self, said: dict[str, Any]) -> bool:
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            if self._waits():
                time.sleep(READING)
                self._say(said)
                return True
            time.sleep(0.1)
        return False

    def _waits(self) -> bool:
        from airflow.utils.session import create_session

        with create_session() as session:
            return self._waiting(session) is not None

    def _waiting(self, session: Any) -> Any:
        """The instance of the task that waits for an answer, with its question."""
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.state import TaskInstanceState
        from sqlalchemy import select
        from sqlalchemy.orm import joinedload

        waits = TaskInstance.state == TaskInstanceState.AWAITING_INPUT
        query = select(TaskInstance).where(TaskInstance.task_id == self.task_id, waits)
        return session.scalar(query.options(joinedload(TaskInstance.hitl_detail)))

    def _say(self, said: dict[str, Any]) -> None:
        from airflow._shared.timezones import timezone
        from airflow.models.hitl import HITLUser
        from airflow.models.trigger import handle_event_submit
        from airflow.triggers.base import TriggerEvent
        from airflow.utils.session import create_session

        with create_session() as session:
            instance = self._waiting(session)
            detail, by = instance.hitl_detail, said.pop("by", "olga")
            self.asked.append((detail.subject, detail.body))
            detail.responded_by = HITLUser(id=by, name=by) if by else None
            detail.responded_at = timezone.utcnow()
            detail.chosen_options = [said.pop("option")]
            detail.params_input = said
            session.add(detail)
            payload = detail.as_resume_event_payload(timedout=by is None)
            handle_event_submit(TriggerEvent(payload), task_instance=instance, session=session)

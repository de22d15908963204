"""Identifiers that do not depend on the order of arrival: name-based UUIDs (RFC 9562, version 5)."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

NAMESPACE: Final = UUID("5d1f3f6c-7a0e-5a57-9d52-0f6a3c1e8b40")


def named(noun: str, *parts: str) -> UUID:
    return uuid5(NAMESPACE, ":".join((noun, *parts)))


def lead_id(source: str, external_id: str) -> UUID:
    return named("lead", source, external_id)


def contact_id(source: str, external_id: str) -> UUID:
    return named("contact", source, external_id)


def account_id(source: str, external_id: str) -> UUID:
    return named("account", source, external_id)


def opportunity_id(source: str, external_id: str) -> UUID:
    return named("opportunity", source, external_id)


def activity_id(source: str, record_key: str) -> UUID:
    return named("activity", source, record_key)


def outcome_id(source: str, record_key: str) -> UUID:
    return named("outcome", source, record_key)


def batch_id(dag_id: str, run_id: str) -> UUID:
    return named("batch", dag_id, run_id)

"""Records that are in their source no longer: deleted there, or merged into another record."""

from __future__ import annotations

from typing import Final

MERGED: Final = "('merged_into', 'merged_from')"
"""kinds of lead_key by which a source says that two records are one; the value is the other record's lead_id"""


def deleted(attributes: str) -> str:
    """Whether these attributes (a SQL expression of type jsonb) say that the record is deleted; never null."""
    return f"coalesce(lower({attributes} ->> 'deleted') in ('true', 'yes', 'y', '1'), false)"


def gone(lead: str) -> str:
    """Whether the record `lead` (an alias of the table) is deleted, or merged into another, by its newest revision.

    Also where we merged it, and the source has not told of it yet; the record that took it in is gone as well where the
    source made a new one of both.
    """
    return f"""(
        coalesce((
            select {deleted("gone_r.attributes")} from lead_revision gone_r where gone_r.lead_id = {lead}.lead_id
            order by gone_r.valid_from desc, gone_r.content_hash desc limit 1), false)
        or exists (
            select from lead_key gone_k
            where gone_k.lead_id = {lead}.lead_id and gone_k.kind = 'merged_into' and gone_k.current)
        or exists (
            select from lead_key gone_k
            where gone_k.value = cast({lead}.lead_id as text) and gone_k.kind = 'merged_from' and gone_k.current)
        or {_merged_by_us(lead, "external_id")} or {_merged_by_us(lead, "fields ->> 'merged_into'")})"""


def _merged_by_us(lead: str, named: str) -> str:
    """Whether the record is the one `named` in a merge of ours that made another record of it."""
    return f"""exists (
            select from outbox gone_o
            where gone_o.source = {lead}.source and gone_o.object = 'merges' and gone_o.state = 'sent'
              and gone_o.{named} = {lead}.external_id and gone_o.fields ->> 'became' <> {lead}.external_id)"""

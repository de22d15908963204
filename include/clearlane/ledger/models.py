"""The tables of the ledger: what came in, who it is, what it scored, where it went and why.

Columns marked PERSONAL hold personal data: erasure and masking find them by that mark.
All times are UTC instants; `*_seq` columns are orders of arrival or of decision, never times.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, UUID

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "ix": "%(table_name)s_%(column_0_N_name)s_ix",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

PERSONAL: Final = {"personal": True}
TIME: Final = sa.DateTime(timezone=True)
PLACES: Final = (
    "waiting",
    "quarantined",
    "owned",
    "pool",
    "nurture",
    "held",
    "disqualified",
    "exceptions",
    "redirected",
    "closed",
)


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, sa.Text, nullable=options.pop("nullable", False), **options)


def _json(name: str, **options: Any) -> Column[Any]:
    return Column(name, JSONB, nullable=options.pop("nullable", False), **options)


def _time(name: str, **options: Any) -> Column[Any]:
    return Column(name, TIME, nullable=options.pop("nullable", False), **options)


def _recorded(name: str) -> Column[Any]:
    return Column(name, TIME, nullable=False, server_default=text("clock_timestamp()"))


LAST_DECISION: Final = text("coalesce(pg_sequence_last_value('decision_seq'), 0)")
"""the last decision number given out: under the routing lock nobody gives out another"""


def _begun_seq() -> Column[Any]:
    return Column(
        "begun_seq",
        sa.BigInteger,
        nullable=False,
        server_default=LAST_DECISION,
        comment="the last decision number given out when this was written: later ones knew it",
    )


def _lead(*, primary_key: bool = False, index: bool = False) -> Column[Any]:
    return Column(
        "lead_id", UUID, ForeignKey("lead.lead_id"), nullable=False, primary_key=primary_key, index=index
    )


def _batch(name: str = "batch_id", *, nullable: bool = False) -> Column[Any]:
    return Column(name, UUID, ForeignKey("batch.batch_id"), nullable=nullable)


def _one_of(column: str, *values: str) -> sa.CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} in ({allowed})", name=column)


# --- runs -------------------------------------------------------------------------------------

batch = Table(
    "batch",
    metadata,
    Column("batch_id", UUID, primary_key=True, comment="uuid5 of dag_id and run_id"),
    _text("dag_id"),
    _text("run_id"),
    _text("run_type", comment="scheduled, manual, asset_triggered, backfill"),
    _text("mode"),
    Column("dry_run", sa.Boolean, nullable=False, server_default=sa.false()),
    _time("window_start", nullable=True, comment="null: a run without dates"),
    _time("window_end", nullable=True),
    _time("as_of", comment="the moment every stage of the run speaks for"),
    _json("sources", comment="names of the sources this run pulls"),
    _json("policy", comment="policy file name -> content hash, pinned for all tasks"),
    _text("code_version"),
    Column(
        "known_seq", sa.BigInteger, index=True, comment="the activities known when its identity had ended"
    ),
    _recorded("opened_at"),
    _time("closed_at", nullable=True),
    sa.UniqueConstraint("dag_id", "run_id"),
    _one_of("mode", "live", "shadow"),
    comment="What one DAG run works on; written once, reused by every clear and retry.",
)

work = Table(
    "work",
    metadata,
    Column("batch_id", UUID, ForeignKey("batch.batch_id"), primary_key=True),
    _lead(primary_key=True, index=True),
    _text("reason", comment="revision, activity, account, merge, waiting, event, suppressed or enrichment"),
    comment="The leads of a batch: survivors only.",
)

# --- what came in -----------------------------------------------------------------------------

source_state = Table(
    "source_state",
    metadata,
    Column("source", sa.Text, primary_key=True),
    Column("object", sa.Text, primary_key=True),
    _time("watermark", nullable=True, comment="the end of the last window pulled without a gap"),
    Column("position", sa.Text, comment="where a live run left the source's own journal of changes"),
    comment="How far live runs have read each source: a row per mapping, and per file where files are read.",
)

delivery = Table(
    "delivery",
    metadata,
    Column("batch_id", UUID, ForeignKey("batch.batch_id"), primary_key=True),
    Column("source", sa.Text, primary_key=True),
    Column("object", sa.Text, primary_key=True),
    Column("received", sa.BigInteger, nullable=False),
    Column("duplicate", sa.BigInteger, nullable=False),
    _recorded("delivered_at"),
    comment="Records received per run and object, with those the inbox already held.",
)

inbox = Table(
    "inbox",
    metadata,
    Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True, comment="known_at"),
    _text("source"),
    _text("object", comment="leads, contacts, accounts, opportunities, activities, reps, outcomes or file"),
    _text("record_key", comment="external id and content hash, or content hash and ordinal"),
    _text("external_id", nullable=True),
    _time("source_time", nullable=True, comment="when the source says the record changed or happened"),
    _batch("first_batch", nullable=True),
    _batch("batch_id", nullable=True),
    _text("file", nullable=True),
    Column("line", sa.Integer),
    _json("payload", info=PERSONAL, comment="exactly as received"),
    _json("record", info=PERSONAL, nullable=True, comment="mapped to our names, then typed by quality"),
    _text("state", server_default="waiting"),
    _recorded("received_at"),
    sa.UniqueConstraint("source", "object", "record_key"),
    _one_of("state", "waiting", "consumed", "quarantined", "erased"),
    Index("inbox_waiting_ix", "batch_id", "object", postgresql_where=text("state = 'waiting'")),
    Index("inbox_batch_ix", "batch_id", "object", "seq"),
    Index("inbox_external_ix", "source", "object", "external_id"),
    Index("inbox_source_time_ix", "source", "object", "source_time"),
    comment="Append-only landing table of raw records.",
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("seq", sa.BigInteger, ForeignKey("inbox.seq"), primary_key=True),
    _json("reasons", info=PERSONAL, comment="[{field, rule, found, allowed}]"),
    Column("hand_raise", sa.Boolean, nullable=False, server_default=sa.false()),
    _time("since"),
    _text("state", server_default="open"),
    _text("by", nullable=True, info=PERSONAL),
    _text("because", nullable=True),
    _one_of("state", "open", "replayed", "dismissed"),
    comment="Records kept whole because they could not be used, with every reason.",
)

quality_note = Table(
    "quality_note",
    metadata,
    Column("seq", sa.BigInteger, ForeignKey("inbox.seq"), primary_key=True),
    Column("field", sa.Text, primary_key=True),
    Column("rule", sa.Text, primary_key=True),
    _text("found", nullable=True, info=PERSONAL),
    comment="Optional fields that were emptied, and why.",
)

quality_result = Table(
    "quality_result",
    metadata,
    Column("batch_id", UUID, ForeignKey("batch.batch_id"), primary_key=True),
    Column("source", sa.Text, primary_key=True),
    Column("object", sa.Text, primary_key=True),
    Column("rule", sa.Text, primary_key=True),
    _text("verdict"),
    Column("seen", sa.Double),
    _text("allowed", nullable=True),
    _text("because"),
    _one_of("verdict", "pass", "warn", "stop"),
    comment="Batch rules: volume, share of bad rows, freshness, schema drift.",
)

quality_profile = Table(
    "quality_profile",
    metadata,
    Column("day", sa.Date, primary_key=True, comment="of the source's time, UTC"),
    _text("source", primary_key=True),
    _text("object", primary_key=True),
    _text("field", primary_key=True, comment="'' is the record as a whole"),
    Column("rows", sa.BigInteger, nullable=False, comment="records; of a field those looked at"),
    Column("filled", sa.BigInteger, nullable=False, comment="with a usable value; '': records looked at"),
    Column("unusable", sa.BigInteger, nullable=False, comment="values emptied; '': records in quarantine"),
    Column("variety", sa.BigInteger, nullable=False, comment="different values"),
    _json(
        "shape",
        server_default="{}",
        comment="kind of value -> count; a kind is a hash or a size, never a value",
    ),
    Column("quantiles", ARRAY(sa.Double), comment="5, 25, 50, 75, 95 % of the numbers"),
    Column("known_seq", sa.BigInteger, nullable=False, comment="the newest inbox record when it was made"),
    comment="What the records of each source were like, day by day: counts and no value of a record.",
)

# --- who it is --------------------------------------------------------------------------------

lead = Table(
    "lead",
    metadata,
    Column("lead_id", UUID, primary_key=True, comment="uuid5(source, external id)"),
    _text("source"),
    _text("external_id"),
    _time("created_at", comment="in the source"),
    Column("survivor_id", UUID, ForeignKey("lead.lead_id"), nullable=False, index=True),
    Column("contact_id", UUID, index=True, comment="the existing contact this person is"),
    Column("account_id", UUID, index=True),
    _text("account_rule", nullable=True, comment="contact, domain, name, person or alike"),
    _text("company_key", nullable=True, index=True, comment="normalised company name and country, or domain"),
    _recorded("recorded_at"),
    sa.UniqueConstraint("source", "external_id"),
    comment="One row for each lead record of a source; survivor_id names the person it belongs to.",
)

lead_revision = Table(
    "lead_revision",
    metadata,
    Column("revision_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _lead(),
    _time("valid_from"),
    _text("content_hash"),
    _json("attributes", info=PERSONAL, comment="normalised; typed as scoring.yaml declares"),
    _json(
        "keys",
        info=PERSONAL,
        server_default="{}",
        comment="kind of lead_key -> [values]; and city and address, which are no keys",
    ),
    Column("seq", sa.BigInteger, ForeignKey("inbox.seq"), nullable=False),
    sa.UniqueConstraint("lead_id", "valid_from", "content_hash"),
    comment="What a source said about a lead from a moment on; never overwritten.",
)

lead_key = Table(
    "lead_key",
    metadata,
    _lead(primary_key=True),
    Column(
        "kind",
        sa.Text,
        primary_key=True,
        comment="email, role_email, email_name, phone_name, phone, domain, company",
    ),
    Column("value", sa.Text, primary_key=True, info=PERSONAL),
    Column("current", sa.Boolean, nullable=False, server_default=sa.true(), comment="of the latest revision"),
    Index("lead_key_value_ix", "kind", "value"),
    comment="Keys of every revision of a lead: equal current email, email_name or phone_name are one person.",
)

merge = Table(
    "merge",
    metadata,
    Column("loser_id", UUID, ForeignKey("lead.lead_id"), primary_key=True),
    Column("merged_seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    Column("survivor_id", UUID, ForeignKey("lead.lead_id"), nullable=False),
    _text("rule"),
    _time("merged_at"),
    _time("undone_at", nullable=True),
    Index("merge_open_ix", "loser_id", unique=True, postgresql_where=text("undone_at is null")),
    comment="Reversible record of which lead joined which, and by which key.",
)

person_verdict = Table(
    "person_verdict",
    metadata,
    Column("verdict_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _lead(index=True),
    Column(
        "other_id", UUID, ForeignKey("lead.lead_id"), nullable=False, index=True, comment="the greater id"
    ),
    _text("verdict", comment="same: they are one person; apart: they are two"),
    _text("by", info=PERSONAL),
    _text("because"),
    _time("decided_at"),
    _batch("taken_batch", nullable=True),
    _one_of("verdict", "same", "apart", "withdraw"),
    Index("person_verdict_new_ix", "verdict_id", postgresql_where=text("taken_batch is null")),
    comment="What people said on whether two records are one person; of each pair the latest counts.",
)

person_block = Table(
    "person_block",
    metadata,
    _lead(primary_key=True),
    _text("key", primary_key=True, info=PERSONAL),
    Index("person_block_key_ix", "key"),
    comment="Keys by which records that may be one person find each other, of each record's newest revision.",
)

person_alike = Table(
    "person_alike",
    metadata,
    _lead(primary_key=True),
    Column("other_id", UUID, ForeignKey("lead.lead_id"), primary_key=True, comment="the greater id"),
    Column("weight", sa.Double, nullable=False, comment="of the evidence that they are one person, in bits"),
    _json("evidence", comment="[bits, field, how far it agrees]"),
    Column(
        "records",
        sa.BigInteger,
        nullable=False,
        server_default="100000",
        comment="among how many one was looked for when the two were weighed: a power of ten",
    ),
    Index("person_alike_other_ix", "other_id"),
    Index("person_alike_weight_ix", "weight"),
    comment="Records that are alike enough to be looked at; what two records weigh depends on the two alone.",
)

person_due = Table(
    "person_due",
    metadata,
    _lead(primary_key=True),
    comment="Records that the next runs group anew, because what is merged without asking has changed.",
)

joining = Table(
    "joining",
    metadata,
    Column("joining_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    Column("members", ARRAY(UUID), nullable=False, comment="records that were brought together"),
    _time("joined_at"),
    Column(
        "seq",
        sa.BigInteger,
        nullable=False,
        comment="the last decision number given out then: later decisions knew it",
    ),
    _time("undone_at", nullable=True, comment="since then its members are of several persons"),
    Index("joining_open_ix", "members", postgresql_using="gin", postgresql_where=text("undone_at is null")),
    comment="Owners, promises and places that were brought together because records turned out to be one person.",
)

joining_effect = Table(
    "joining_effect",
    metadata,
    Column("joining_id", sa.BigInteger, ForeignKey("joining.joining_id"), primary_key=True),
    Column("relation", sa.Text, primary_key=True),
    Column("key", sa.Text, primary_key=True),
    _json("before", nullable=True, comment="the columns that changed; null: the row is new"),
    _json("after"),
    comment="What a joining changed, row by row, so that it can be taken back.",
)

company_block = Table(
    "company_block",
    metadata,
    _text("side", primary_key=True, comment="lead or account"),
    _text("name", primary_key=True, info=PERSONAL, comment="normalised name of a company"),
    _text("key", primary_key=True),
    Index("company_block_key_ix", "key", "side"),
    comment="Keys by which names of leads' companies and of accounts find each other; written once for each name.",
)

alike = Table(
    "alike",
    metadata,
    _text("company", primary_key=True, info=PERSONAL, comment="normalised name of leads' companies"),
    _text("name_key", primary_key=True, comment="normalised name of accounts"),
    Column("weight", sa.Double, nullable=False, comment="of the words, for one company, in nats"),
    Column("forms", sa.Double, nullable=False, server_default="0", comment="of the legal forms"),
    Column(
        "ceiling", sa.Double, comment="the most that names of sisters bear out; null: they are no sisters"
    ),
    _json("evidence", info=PERSONAL, comment="[weight, what, in the lead's name, in the account's]"),
    Index("alike_name_key_ix", "name_key"),
    comment="Names that are alike enough to be looked at; what two names weigh depends on them alone.",
)

match_verdict = Table(
    "match_verdict",
    metadata,
    Column("verdict_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _text("company", info=PERSONAL, index=True, comment="normalised name of leads' companies"),
    Column("account_id", UUID, nullable=False),
    _text("verdict"),
    _one_of("verdict", "accept", "refuse", "withdraw"),
    _text("by", info=PERSONAL),
    _text("because"),
    _time("decided_at"),
    _batch("taken_batch", nullable=True),
    Index("match_verdict_new_ix", "verdict_id", postgresql_where=text("taken_batch is null")),
    comment="What people said on whether a company is an account; of each pair the latest counts.",
)

contact_revision = Table(
    "contact_revision",
    metadata,
    Column("revision_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    Column("contact_id", UUID, nullable=False),
    _text("source"),
    _text("external_id"),
    _time("valid_from"),
    _text("content_hash"),
    _text("email", nullable=True, info=PERSONAL),
    _text("phone", nullable=True, info=PERSONAL),
    _text("account_external_id", nullable=True),
    _text("owner_external_id", nullable=True),
    _json("attributes", info=PERSONAL),
    Column("seq", sa.BigInteger, ForeignKey("inbox.seq"), nullable=False),
    sa.UniqueConstraint("contact_id", "valid_from", "content_hash"),
    Index("contact_revision_email_ix", "email"),
    Index("contact_revision_external_ix", "source", "external_id"),
    Index("contact_revision_account_ix", "source", "account_external_id"),
    comment="People the source already knows.",
)

account_revision = Table(
    "account_revision",
    metadata,
    Column("revision_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    Column("account_id", UUID, nullable=False),
    _text("source"),
    _text("external_id"),
    _time("valid_from"),
    _text("content_hash"),
    _text("name", nullable=True),
    _text("name_key", nullable=True),
    _text("domain", nullable=True),
    _text("country", nullable=True),
    _text("phone", nullable=True, info=PERSONAL, comment="E.164; as given among the attributes"),
    _text("city_key", nullable=True, info=PERSONAL, comment="normalised city"),
    _text("address_key", nullable=True, info=PERSONAL, comment="words of the street and number, normalised"),
    _text("owner_external_id", nullable=True),
    _text("parent_external_id", nullable=True, comment="the account it is a part of, in the same source"),
    _json("attributes"),
    Column("seq", sa.BigInteger, ForeignKey("inbox.seq"), nullable=False),
    sa.UniqueConstraint("account_id", "valid_from", "content_hash"),
    Index("account_revision_domain_ix", "domain"),
    Index("account_revision_name_key_ix", "name_key"),
    Index("account_revision_phone_ix", "phone"),
    Index("account_revision_external_ix", "source", "external_id"),
    Index("account_revision_parent_ix", "source", "parent_external_id"),
    comment="Companies, as each source described them from a moment on.",
)

opportunity_revision = Table(
    "opportunity_revision",
    metadata,
    Column("revision_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    Column("opportunity_id", UUID, nullable=False),
    _text("source"),
    _text("external_id"),
    _time("valid_from"),
    _text("content_hash"),
    _text("lead_external_id", nullable=True),
    _text("contact_external_id", nullable=True),
    _text("account_external_id", nullable=True),
    _text("owner_external_id", nullable=True),
    _text("stage", nullable=True),
    Column("amount", sa.Double),
    _time("closed_at", nullable=True),
    _json("attributes"),
    Column("seq", sa.BigInteger, ForeignKey("inbox.seq"), nullable=False),
    sa.UniqueConstraint("opportunity_id", "valid_from", "content_hash"),
    Index("opportunity_revision_account_ix", "source", "account_external_id"),
    Index("opportunity_revision_contact_ix", "source", "contact_external_id"),
    Index("opportunity_revision_lead_ix", "source", "lead_external_id"),
    comment="Deals, as each source described them from a moment on.",
)

owner = Table(
    "owner",
    metadata,
    Column("source", sa.Text, primary_key=True),
    Column("external_id", sa.Text, primary_key=True),
    _text("name", nullable=True, info=PERSONAL),
    _text("email", nullable=True, info=PERSONAL),
    Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    _time("valid_from", comment="of the row kept: the newest"),
    comment="Users of the source systems; teams.yaml says which rep each one is.",
)

known_seq = sa.Sequence("known_seq", metadata=metadata)

activity = Table(
    "activity",
    metadata,
    Column("activity_id", UUID, primary_key=True, comment="uuid5(source, external id or record key)"),
    _text("source"),
    _text("lead_external_id", nullable=True),
    _text("contact_external_id", nullable=True),
    _text("email", nullable=True, info=PERSONAL, comment="where no lead is named"),
    Column("lead_id", UUID, comment="the lead record; null until that record is known"),
    _text("type"),
    _time("occurred_at"),
    _json("attributes", info=PERSONAL),
    Column("seq", sa.BigInteger, ForeignKey("inbox.seq"), nullable=False, unique=True),
    Column(
        "known_seq",
        sa.BigInteger,
        nullable=False,
        server_default="0",
        comment="number of the identity run that wrote it: in the order in which runs committed",
    ),
    Index("activity_lead_ix", "lead_id", "occurred_at"),
    Index("activity_email_ix", "email", postgresql_where=text("lead_external_id is null")),
    Index(
        "activity_contact_ix",
        "source",
        "contact_external_id",
        postgresql_where=text("lead_external_id is null"),
    ),
    Index("activity_orphan_ix", "source", "lead_external_id", postgresql_where=text("lead_id is null")),
    comment="Behavioural events of leads, with the time at which they happened.",
)

outcome = Table(
    "outcome",
    metadata,
    Column("outcome_id", UUID, primary_key=True),
    _text("source"),
    _text("lead_external_id", nullable=True),
    Column("lead_id", UUID, index=True, comment="null until that record is known"),
    _text("kind", comment="accepted, rejected, first_touch, meeting, sql, opportunity, won, lost"),
    _time("occurred_at"),
    _text("reason", nullable=True),
    _text("rep_id", nullable=True),
    Column("amount", sa.Double),
    Column("seq", sa.BigInteger, ForeignKey("inbox.seq"), index=True),
    Index(
        "outcome_touch_ix",
        "occurred_at",
        postgresql_where=text("kind in ('first_touch', 'meeting', 'accepted')"),
    ),
    comment="What became of leads.",
)

touch_due = Table(
    "touch_due",
    metadata,
    Column("due_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    Column("lead_id", UUID, nullable=False),
    comment="Leads of which a touch, a promise or an owner is new, until a run has held one against the other.",
)

suppression = Table(
    "suppression",
    metadata,
    Column("kind", sa.Text, primary_key=True, comment="email or domain"),
    Column("value", sa.Text, primary_key=True, info=PERSONAL),
    _text("scope", comment="contact: stops everything; marketing: stops nurture and marketing mail"),
    _time("since"),
    _text("because"),
    _one_of("scope", "contact", "marketing"),
    comment="People and companies we must not contact.",
)

erasure_key = Table(
    "erasure_key",
    metadata,
    Column("key_id", sa.Text, primary_key=True, comment="tells keys apart without telling them"),
    _text("secret", nullable=True, comment="null: the connection clearlane_privacy has it"),
    comment="The keys that tombstones are hashed with.",
)

erasure = Table(
    "erasure",
    metadata,
    Column("erasure_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _time("erased_at"),
    _text("by", info=PERSONAL),
    _text("because"),
    _json("counts", comment="table -> rows"),
    comment="People who were erased: when, by whom and why, never who.",
)

tombstone = Table(
    "tombstone",
    metadata,
    Column(
        "hash", sa.Text, primary_key=True, comment="HMAC-SHA256 of a record's id, e-mail or phone with name"
    ),
    Column("key_id", sa.Text, ForeignKey("erasure_key.key_id"), nullable=False),
    _text("kind", comment="record, email, email_name, phone_name or phone"),
    Column("erasure_id", sa.BigInteger, ForeignKey("erasure.erasure_id"), nullable=False),
    comment="What keeps an erased person from coming back: records that match are dropped on arrival.",
)

# --- what we know and what it scores ----------------------------------------------------------

enrichment = Table(
    "enrichment",
    metadata,
    Column("revision_id", sa.BigInteger, ForeignKey("lead_revision.revision_id"), primary_key=True),
    Column("provider", sa.Text, primary_key=True),
    Column(
        "turn",
        sa.Integer,
        primary_key=True,
        server_default="1",
        comment="1: counts ever, later from observed_at",
    ),
    _json("attributes", info=PERSONAL),
    Column("confidence", sa.Double, nullable=False, server_default="1"),
    _time("observed_at"),
    _time("until", nullable=True, comment="the moment from which the next turn counts"),
    Column("asked_key", sa.Text, comment="hash of what a provider that is paid was asked about"),
    Index("enrichment_asked_ix", "provider", "asked_key", postgresql_where=text("asked_key is not null")),
    comment="What a provider added to a lead revision; what it is asked about again is a further turn.",
)

enrichment_ask = Table(
    "enrichment_ask",
    metadata,
    Column("revision_id", sa.BigInteger, ForeignKey("lead_revision.revision_id"), primary_key=True),
    Column("provider", sa.Text, primary_key=True),
    _text("asked_key", comment="hash of what it is asked about; asks of one key are one request"),
    _time("since"),
    _time("due_at", comment="not asked before"),
    Column("tries", sa.Integer, nullable=False, server_default="0"),
    _time("claimed_until", nullable=True, comment="a process is asking, and until then nobody else does"),
    _time("answered_at", nullable=True, comment="until the lead's profile has been written with the answer"),
    _text("because", nullable=True, comment="why it is still open"),
    Index("enrichment_ask_key_ix", "provider", "asked_key"),
    Index("enrichment_ask_due_ix", "due_at"),
    comment="What providers that are paid are still to be asked, and answers that no profile holds yet.",
)

provider_day = Table(
    "provider_day",
    metadata,
    Column("provider", sa.Text, primary_key=True),
    Column("day", sa.Date, primary_key=True, comment="UTC"),
    Column(
        "asked",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="requests begun; never more than the budget",
    ),
    Column("known", sa.Integer, nullable=False, server_default="0"),
    Column("unknown", sa.Integer, nullable=False, server_default="0"),
    Column("failed", sa.Integer, nullable=False, server_default="0"),
    comment="What each provider that is paid was asked in a day.",
)

lead_profile = Table(
    "lead_profile",
    metadata,
    Column("profile_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _lead(),
    _time("valid_from", comment="of the newest revision it is made of"),
    _text("content_hash"),
    _json("attributes", info=PERSONAL, comment="source record, account and providers by precedence"),
    _json("provenance", comment="attribute -> where it came from"),
    _text("kind"),
    _text("kind_rule", nullable=True),
    Column("revision_id", sa.BigInteger, ForeignKey("lead_revision.revision_id"), nullable=False),
    Column("contact_revision_id", sa.BigInteger),
    Column("account_id", UUID),
    Column("account_revision_id", sa.BigInteger),
    _begun_seq(),
    Index("lead_profile_lead_ix", "lead_id", "valid_from", "profile_id"),
    Index("lead_profile_account_ix", "account_id", postgresql_where=text("account_id is not null")),
    comment="A person as known from a moment on: what rules read. The newest profile_id of a moment counts.",
)

inquiry = Table(
    "inquiry",
    metadata,
    Column("inquiry_id", UUID, primary_key=True, comment="the activity that opened it"),
    _lead(index=True),
    _text("type"),
    _time("arrived_at", comment="the submit time in the source"),
    Column(
        "decision_seq",
        sa.BigInteger,
        ForeignKey("decision.decision_seq", name="inquiry_decision_seq_fk"),
        index=True,
        comment="the live decision that answered it; null: not answered yet",
    ),
    comment="One request for sales, with its own clock; two within 30 minutes are one.",
)

counting = Table(
    "counting",
    metadata,
    Column("counting_id", sa.Integer, sa.Identity(always=True), primary_key=True),
    _text(
        "fingerprint", unique=True, comment="of types, condition, half-life and bucket: not of points or caps"
    ),
    Column("types", ARRAY(sa.Text), nullable=False, comment="activity types that count"),
    _text(
        "condition",
        nullable=True,
        comment="SQL over an activity's columns; null: every activity of the types",
    ),
    _text("bucket", comment="span (of 32 half-lives), day or each (moment)"),
    Column("half_life_days", sa.Double, comment="null: does not fade"),
    _one_of("bucket", "span", "day", "each"),
    comment="What a signal counts: one row per way of counting that some version of the model asks for.",
)

signal = Table(
    "signal",
    metadata,
    Column(
        "lead_id", UUID, primary_key=True, comment="the lead record; a person has those of all its records"
    ),
    Column(
        "counting_id", sa.Integer, ForeignKey("counting.counting_id", ondelete="cascade"), primary_key=True
    ),
    Column(
        "bucket",
        sa.BigInteger,
        primary_key=True,
        comment="number of the span, the UTC day or the microsecond",
    ),
    Column("n", sa.Integer, nullable=False, comment="activities"),
    Column(
        "value",
        sa.Double,
        nullable=False,
        comment="their weights, each 2^((moment - start of span) / half-life)",
    ),
    _time("first_at"),
    _time("last_at"),
    comment="What each lead record has done, counted: sums that only what is new is added to.",
)

signal_due = Table(
    "signal_due",
    metadata,
    Column("due_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    Column("lead_id", UUID, nullable=False, index=True),
    Column("activity_id", UUID, comment="null: count this record's activities anew"),
    comment="Activities that no signal holds yet.",
)

score_override = Table(
    "score_override",
    metadata,
    Column("override_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _lead(index=True),
    Column("score", sa.Integer, comment="shown in place of the computed one"),
    _text("band", nullable=True, comment="in place of the one that the score would give"),
    _text("by", info=PERSONAL),
    _text("because"),
    _time("since"),
    _time("until", nullable=True),
    _time("ended_at", nullable=True, comment="taken back before `until`"),
    _text("ended_by", nullable=True, info=PERSONAL),
    _text("ended_because", nullable=True),
    sa.CheckConstraint("score is not null or band is not null", name="says"),
    comment="What a person said a lead is worth, with the reason and until when.",
)

score = Table(
    "score",
    metadata,
    Column("score_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _lead(),
    _time("as_of"),
    _text("policy_hash", comment="of scoring.yaml"),
    _batch(nullable=True),
    Column("profile_id", sa.BigInteger, ForeignKey("lead_profile.profile_id"), nullable=False),
    _text("model"),
    Column("score", sa.Integer, nullable=False),
    Column("total", sa.Double, nullable=False, comment="before rounding and clamping"),
    Column("fit", sa.Double, nullable=False),
    Column("engagement", sa.Double, nullable=False),
    Column("negative", sa.Double, nullable=False),
    _text("band"),
    _text("grade"),
    _text("stage"),
    _text("disqualified", nullable=True, comment="the disqualifier that fired"),
    Column("hand_raise", sa.Boolean, nullable=False, server_default=sa.false()),
    _json("contributions", comment="rule -> points, fired rules only"),
    _text("band_before", nullable=True, comment="of the score before this one; an input of the band"),
    _time("band_before_since", nullable=True),
    _text("stage_before", nullable=True, comment="the furthest stage entered before; an input of the stage"),
    Column("cycle", sa.Integer, nullable=False, server_default="1"),
    _time("cycle_since", nullable=True, comment="null: the first cycle"),
    Column("known_seq", sa.BigInteger, nullable=False, server_default="0", comment="activities known then"),
    Column("activities", sa.Integer, nullable=False, server_default="0", comment="counted until as_of"),
    Column("members", ARRAY(UUID), comment="the records the person was made of; null: one"),
    Column("override_id", sa.BigInteger, ForeignKey("score_override.override_id")),
    Column("account", JSONB, comment="what the other people of the account came to; null: no rule asks"),
    Column(
        "probability",
        sa.Double,
        comment="chance of conversion; null: the policy has no model of it for the lead",
    ),
    _text("probability_because", nullable=True, comment="the parts of the model that move it most, in words"),
    Index("score_lead_ix", "lead_id", "as_of", "policy_hash", "score_id"),
    comment="What a lead scored, and from what: a row for each change. The newest score_id of a moment counts.",
)

standing = Table(
    "standing",
    metadata,
    _lead(primary_key=True),
    _time("as_of", comment="up to when decay is counted"),
    Column(
        "score_id",
        sa.BigInteger,
        ForeignKey("score.score_id"),
        nullable=False,
        comment="the newest history row",
    ),
    Column("score", sa.Integer, nullable=False),
    Column("total", sa.Double, nullable=False),
    Column("fit", sa.Double, nullable=False),
    Column("engagement", sa.Double, nullable=False),
    Column("negative", sa.Double, nullable=False),
    _text("band"),
    _time("band_since"),
    _text("grade"),
    _text("stage"),
    _time("scored_at", nullable=True, comment="when it was last scored: weights are those of then"),
    _text("policy_hash", nullable=True),
    _text("model", nullable=True),
    _text("disqualified", nullable=True),
    Column("override_id", sa.BigInteger),
    _time("raised_until", nullable=True, comment="when the last hand-raise no longer stands"),
    Column(
        "weights",
        ARRAY(sa.Double),
        comment="of each rule where something fades; null: only scoring tells what time does",
    ),
    comment="Where each person stands now, decay included: the one row that score_refresh keeps up to date.",
)

stage_entry = Table(
    "stage_entry",
    metadata,
    _lead(primary_key=True),
    Column("stage", sa.Text, primary_key=True),
    Column("cycle", sa.Integer, primary_key=True, server_default="1"),
    _time("entered_at", comment="event time; never moved by a rescore"),
    _text("because"),
    comment="When each stage was entered, per cycle.",
)

# --- where it goes ----------------------------------------------------------------------------

roster = Table(
    "roster",
    metadata,
    Column("roster_id", sa.Text, primary_key=True, comment="hash of the content"),
    _json("content", info=PERSONAL),
    comment="Teams, reps, calendars and absences as a decision saw them.",
)

results = Table(
    "results",
    metadata,
    Column("results_id", sa.Text, primary_key=True, comment="hash of the content"),
    _time("day", comment="start of the UTC day: what was known up to then"),
    Column("segment", ARRAY(sa.Text), nullable=False, comment="attributes whose values make leads alike"),
    Column("window_days", sa.Integer, nullable=False, comment="leads given in so many days before count"),
    _json("content", comment="rows of [values, rep, [offered, accepted, decided, won]]"),
    sa.UniqueConstraint("day", "segment", "window_days"),
    comment="What reps made of leads, by segment: measured once a day, read by picks by best fit.",
)

decision_seq = sa.Sequence("decision_seq", metadata=metadata)

decision = Table(
    "decision",
    metadata,
    Column("decision_seq", sa.BigInteger, decision_seq, primary_key=True),
    _lead(),
    _batch(),
    _text("mode"),
    _time("as_of"),
    Column("profile_id", sa.BigInteger, ForeignKey("lead_profile.profile_id"), nullable=False),
    Column("score_id", sa.BigInteger, ForeignKey("score.score_id"), nullable=False),
    Column("roster_id", sa.Text, ForeignKey("roster.roster_id"), nullable=False),
    _json("policy", comment="policy file -> hash"),
    _text("code_version"),
    _text("rule", nullable=True),
    Column("terms", BYTEA, comment="bitmap: did each rule's `when` hold, in policy order"),
    _text("place"),
    _text("team", nullable=True),
    _text("rotation", nullable=True),
    _text("band"),
    _text("rep_id", nullable=True),
    _text("runner_up", nullable=True),
    Column("eligible", ARRAY(sa.Text), nullable=False, server_default="{}"),
    _json("refused", comment="rep -> why not"),
    _text("because"),
    _text("tier", nullable=True),
    _time("sla_due", nullable=True),
    Column(
        "event_id",
        sa.BigInteger,
        ForeignKey("routing_event.event_id", name="decision_event_id_fk"),
        comment="what called for it, where that is an event",
    ),
    Column(
        "results_id",
        sa.Text,
        ForeignKey("results.results_id"),
        comment="the measured results that the pick compared; null: picked by turn",
    ),
    Column(
        "explored",
        sa.Double,
        comment="the share of leads below the threshold of which this is one, given to sales to learn;"
        " null: none of them",
    ),
    sa.UniqueConstraint("batch_id", "lead_id"),
    Index("decision_lead_ix", "lead_id", "decision_seq"),
    Index("decision_rotation_ix", "rotation", "band", "decision_seq"),
    _one_of("mode", "live", "shadow", "hand"),
    comment="What routing decided for one lead at one moment.",
)

turn = Table(
    "turn",
    metadata,
    Column(
        "decision_seq",
        sa.BigInteger,
        primary_key=True,
        comment="of the decision; a return has a number of its own",
    ),
    Column("rep_id", sa.Text, primary_key=True),
    _text("rotation"),
    _text("band"),
    _text("kind", comment="turn, enter or return"),
    Column("weight", sa.Double, nullable=False),
    Column("credit", sa.Numeric(18, 9), nullable=False, comment="after this row"),
    Column(
        "returned_seq",
        sa.BigInteger,
        ForeignKey("decision.decision_seq"),
        unique=True,
        comment="the decision whose turn is given back: once",
    ),
    Index("turn_rotation_ix", "rotation", "band", "rep_id", "decision_seq"),
    _one_of("kind", "turn", "enter", "return"),
    comment="The fairness ledger: credit of each rep per rotation and band.",
)

assignment = Table(
    "assignment",
    metadata,
    Column("assignment_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _lead(index=True),
    _text("rep_id", nullable=True, comment="null: an owner in the source whom teams.yaml does not know"),
    _text("owner_external_id", nullable=True),
    _text("team", nullable=True),
    Column("decision_seq", sa.BigInteger, ForeignKey("decision.decision_seq"), index=True),
    _text("by", comment="clearlane, or person"),
    _text("because"),
    _time("started_at"),
    _time("ended_at", nullable=True),
    _text("ended_because", nullable=True),
    _begun_seq(),
    Column(
        "ended_seq",
        sa.BigInteger,
        comment="the last decision number given out when this ended: open until then",
    ),
    Column(
        "returned_seq",
        sa.BigInteger,
        comment="the last decision number given out when it was found to be no lead for the rep:"
        " the caps of later ones do not count it",
    ),
    Index("assignment_open_ix", "lead_id", unique=True, postgresql_where=text("ended_at is null")),
    Index("assignment_rep_ix", "rep_id", "started_at"),
    Index("assignment_open_rep_ix", "rep_id", postgresql_where=text("ended_at is null")),
    _one_of("by", "clearlane", "person"),
    comment="A lead owned by a rep from a moment on.",
)

cover = Table(
    "cover",
    metadata,
    Column("cover_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _lead(index=True),
    _text("rep_id", comment="the owner, who is away and stays the owner"),
    _text("cover_rep_id", comment="who gets alerts and inquiries meanwhile"),
    _text("because"),
    _time("began_at"),
    _time("until", comment="when the owner is back"),
    _time("ended_at", nullable=True),
    _text("ended_because", nullable=True),
    _begun_seq(),
    Column(
        "ended_seq",
        sa.BigInteger,
        comment="the last decision number given out when this ended: open until then",
    ),
    Index("cover_open_ix", "lead_id", unique=True, postgresql_where=text("ended_at is null")),
    comment="Who covers for the owner of a lead while the owner is away.",
)

place = Table(
    "place",
    metadata,
    _lead(primary_key=True),
    _text("place"),
    _text("reason", comment="a short code: rule id, owned_in_source, backfill, merged ..."),
    _text("because"),
    _text("team", nullable=True),
    _text("rep_id", nullable=True),
    _time("since"),
    Column("decision_seq", sa.BigInteger, ForeignKey("decision.decision_seq"), index=True),
    _batch(nullable=True),
    _time("until", nullable=True, comment="waits until then: the first live run from then on routes it"),
    _one_of("place", *PLACES),
    Index("place_place_ix", "place"),
    comment="The one visible place of each lead, with the reason.",
)

routing_event = Table(
    "routing_event",
    metadata,
    Column("event_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _lead(index=True),
    _text(
        "kind",
        comment="band, match, decline, breach, departure, override, stage, owner, retry, pool_age;"
        " assign, claim, release: done by hand",
    ),
    _time("occurred_at"),
    _text("rep_id", nullable=True),
    _text("because"),
    _json("detail"),
    _batch("handled_batch", nullable=True),
    Column(
        "handled_seq",
        sa.BigInteger,
        comment="the last decision number given out when it was handled: later ones knew it; null: no effect",
    ),
    _time(
        "put_off_until",
        nullable=True,
        comment="a promotion for which its team had no room that day: runs before this moment pass it over",
    ),
    Index("routing_event_open_ix", "occurred_at", postgresql_where=text("handled_batch is null")),
    comment="What calls for a lead to be routed again, or says that a person did.",
)

sla_clock = Table(
    "sla_clock",
    metadata,
    Column("clock_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _lead(),
    Column("inquiry_id", UUID, ForeignKey("inquiry.inquiry_id")),
    Column("decision_seq", sa.BigInteger, ForeignKey("decision.decision_seq")),
    _text("kind", comment="arrival, assignment, accept; queue: a place that is no rep; follow_up"),
    Column(
        "step",
        sa.Integer,
        nullable=False,
        server_default="1",
        comment="of a follow-up: which attempt; else 1",
    ),
    _text("tier"),
    _text("rep_id", nullable=True),
    _text("place", nullable=True, comment="of a queue: where the lead waits"),
    _time("started_at"),
    _time("warn_at", nullable=True, comment="null: never warned"),
    _time("due_at"),
    _time("reassign_at", nullable=True, comment="null: never taken away"),
    _time("met_at", nullable=True),
    Column("met_late", sa.Boolean, comment="met by a touch that was logged over 24 h after it happened"),
    _time("warned_at", nullable=True, comment="the moment of the run that warned"),
    _time("breached_at", nullable=True, comment="the moment of the run that found it past due and untouched"),
    _time("unverified_since", nullable=True, comment="past due, its source not read since; null: verified"),
    _time("paused_at", nullable=True, comment="stands still since; null: runs"),
    _text("paused_because", nullable=True),
    _time("ended_at", nullable=True),
    sa.UniqueConstraint("decision_seq", "kind", "step", name="sla_clock_decision_kind_step_key"),
    Index(
        "sla_clock_warn_ix",
        "warn_at",
        postgresql_where=text(
            "warned_at is null and (met_at is null or met_at > warn_at) and (ended_at is null or ended_at > warn_at)"
        ),
    ),
    Index(
        "sla_clock_due_ix",
        "due_at",
        postgresql_where=text(
            "breached_at is null and (met_at is null or met_at > due_at) and (ended_at is null or ended_at > due_at)"
        ),
    ),
    Index(
        "sla_clock_breached_ix",
        "clock_id",
        postgresql_where=text("met_at is null and ended_at is null and breached_at is not null"),
    ),
    Index("sla_clock_unverified_ix", "clock_id", postgresql_where=text("unverified_since is not null")),
    Index("sla_clock_open_ix", "due_at", postgresql_where=text("met_at is null and ended_at is null")),
    Index(
        "sla_clock_paused_ix",
        "lead_id",
        postgresql_where=text("paused_at is not null and met_at is null and ended_at is null"),
    ),
    Index(
        "sla_clock_follow_up_ix",
        "clock_id",
        postgresql_where=text("kind = 'follow_up' and ended_at is null"),
    ),
    Index("sla_clock_lead_ix", "lead_id"),
    Index("sla_clock_open_lead_ix", "lead_id", postgresql_where=text("met_at is null and ended_at is null")),
    comment="A promise with a start, a due moment in business time, and an end.",
)
sla_owed = Table(
    "sla_owed",
    metadata,
    Column("clock_id", sa.BigInteger, ForeignKey("sla_clock.clock_id"), primary_key=True),
    _time("since", primary_key=True),
    _text("rep_id", nullable=True, comment="null: a queue owed it"),
    _text("team", nullable=True),
    _text("place"),
    comment="Who owed a promise from a moment on, until the next row of the clock.",
)
sla_event = Table(
    "sla_event",
    metadata,
    Column("event_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    Column("clock_id", sa.BigInteger, ForeignKey("sla_clock.clock_id")),
    _lead(index=True),
    _text(
        "kind",
        comment="warn, breach, reassign, escalate_manager, escalate_head, suspend, time_out, exhausted,"
        " unverified, verified, withdrawn (a breach that a touch in time, logged later, belies)",
    ),
    _time("occurred_at", comment="the moment in business time at which it fell due"),
    _time("noted_at", comment="the moment of the run that noted it"),
    _text("rep_id", nullable=True, comment="who owed it then"),
    _text("team", nullable=True),
    _text("to_rep_id", nullable=True, comment="who is told, beside the rep"),
    _text(
        "cause",
        nullable=True,
        comment="no_one_eligible, rep_silent, pipeline_late, crm_late, match_unanswered",
    ),
    _json("detail", server_default="{}"),
    _batch(nullable=True),
    sa.UniqueConstraint(
        "clock_id", "kind", "rep_id", name="sla_event_clock_kind_rep_key", postgresql_nulls_not_distinct=True
    ),
    Index("sla_event_noted_ix", "noted_at"),
    Index("sla_event_rep_ix", "rep_id", "occurred_at", postgresql_where=text("kind = 'breach'")),
    comment="What the watch did about promises, each once: the log that alerts and figures are made from.",
)
pause = Table(
    "pause",
    metadata,
    Column("pause_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _lead(index=True),
    _text("key", comment="what asked for it: an activity, or a person and the moment; asked once"),
    _text("because"),
    _text("by", nullable=True, comment="null: the lead itself, by an activity", info=PERSONAL),
    _time("began_at"),
    _time("until"),
    _time("ended_at", nullable=True, comment="when somebody ended it before `until`"),
    sa.UniqueConstraint("key"),
    comment="Times in which the promises to a lead stand still, because it asked for a later date.",
)
suspension = Table(
    "suspension",
    metadata,
    Column("suspension_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _text("rep_id"),
    _text("because"),
    _time("began_at"),
    _time("until", comment="when the rep takes turns again"),
    _begun_seq(),
    Column(
        "ended_seq",
        sa.BigInteger,
        comment="the last decision number given out when somebody ended it early",
    ),
    _time("ended_at", nullable=True),
    _text("ended_because", nullable=True),
    sa.UniqueConstraint("rep_id", "began_at", name="suspension_rep_began_key"),
    comment="Reps who take no turns for a time because they were silent too often.",
)
mail_claim_seq = sa.Sequence("mail_claim_seq", metadata=metadata)
mail = Table(
    "mail",
    metadata,
    Column("mail_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _text("key", unique=True, comment="what it is about and whom it is for: owed once, whoever asks"),
    _text("kind", comment="notice, warn, breach, ..., digest, publish, incident: a template's name"),
    _text("person", comment="id in teams.yaml, or a role"),
    _text("address", info=PERSONAL),
    _text(
        "urgency",
        comment="now: never waits; soon: may be joined with others; quiet: waits for quiet hours to end",
    ),
    Column("lead_id", UUID, ForeignKey("lead.lead_id"), index=True),
    Column("clock_id", sa.BigInteger, ForeignKey("sla_clock.clock_id")),
    Column("decision_seq", sa.BigInteger, ForeignKey("decision.decision_seq"), index=True),
    _json(
        "facts", info=PERSONAL, comment="what the template says, beyond what the ledger says when it is sent"
    ),
    _time("send_after"),
    _time("expires_at", nullable=True, comment="not sent any more from then on"),
    _text("state", server_default="owed"),
    Column("digest_id", sa.BigInteger, comment="the mail that it was joined into"),
    Column("attempts", sa.Integer, nullable=False, server_default="0"),
    _time("next_attempt_at", nullable=True),
    Column("claimed_by", sa.BigInteger, comment="number of the last claim: it fences who comes late"),
    _time("claimed_until", nullable=True),
    _time("begun_at", nullable=True, comment="since then the mail server may have it, whatever we heard"),
    Column(
        "again", sa.Boolean, nullable=False, server_default="false", comment="sent once more, marked as such"
    ),
    _time("sent_at", nullable=True),
    _text("message_id", nullable=True),
    _text("error", nullable=True),
    _batch(nullable=True),
    _recorded("owed_at"),
    _one_of("state", "owed", "sent", "joined", "refused", "dead", "expired", "dropped"),
    _one_of("urgency", "now", "soon", "quiet"),
    Index("mail_owed_ix", "send_after", postgresql_where=text("state = 'owed'")),
    Index("mail_person_ix", "person", "sent_at"),
    Index("mail_digest_ix", "digest_id", postgresql_where=text("digest_id is not null")),
    comment="Mails owed to people, one row each.",
)
bounce = Table(
    "bounce",
    metadata,
    Column("bounce_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _text("address", info=PERSONAL),
    _text("because"),
    _time("noted_at"),
    _time("ended_at", nullable=True, comment="since then it is written to again"),
    Index("bounce_open_ix", "address", unique=True, postgresql_where=text("ended_at is null")),
    comment="Addresses that mails came back from: the manager is written to instead.",
)
link_use = Table(
    "link_use",
    metadata,
    _text("token_hash", primary_key=True, comment="SHA-256 of the signed token: it is never kept itself"),
    _lead(index=True),
    _text("rep_id"),
    _text("answer", comment="accept or decline"),
    _text("reason", nullable=True),
    _time("used_at"),
    comment="Links of mails that were answered, each once.",
)
incident = Table(
    "incident",
    metadata,
    Column("incident_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _text("key", comment="what is wrong: one open incident each"),
    _text("because"),
    _time("opened_at"),
    _time("seen_at", comment="last found so"),
    _time("closed_at", nullable=True),
    Index("incident_open_ix", "key", unique=True, postgresql_where=text("closed_at is null")),
    comment="What is wrong with the pipeline itself.",
)

# --- what we owe the sources ------------------------------------------------------------------

push_claim_seq = sa.Sequence("push_claim_seq", metadata=metadata)

outbox = Table(
    "outbox",
    metadata,
    Column("outbox_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _text("idempotency_key", unique=True),
    _text("source"),
    _text("object"),
    _text("external_id"),
    _lead(index=True),
    Column(
        "decision_seq",
        sa.BigInteger,
        ForeignKey("decision.decision_seq"),
        index=True,
        comment="null: a score only",
    ),
    Column(
        "score_id",
        sa.BigInteger,
        ForeignKey("score.score_id", name="outbox_score_id_fk"),
        comment="whose score, band, grade and stage it carries",
    ),
    _batch(nullable=True),
    _json("fields", info=PERSONAL, comment="what to write"),
    _text("state", server_default="owed"),
    Column(
        "attempts",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="sendings that count against it",
    ),
    _time("next_attempt_at", nullable=True),
    Column("claimed_by", sa.BigInteger, comment="number of the last claim: it fences who comes late"),
    _time("claimed_until", nullable=True, comment="in flight until then, unless noted before"),
    _time("begun_at", nullable=True, comment="since then the source may have it, whatever we heard"),
    _text("error", nullable=True),
    _text("note", nullable=True, comment="what was left out or done by hand, and why"),
    _text("by", nullable=True, info=PERSONAL, comment="who retried or dropped it"),
    _recorded("owed_at"),
    _time("sent_at", nullable=True),
    Column(
        "sent_revision", sa.BigInteger, comment="newest revision of the record then: an owner in it is older"
    ),
    Column(
        "joining_id",
        sa.BigInteger,
        ForeignKey("joining.joining_id", name="outbox_joining_id_fk"),
        comment="the merge that owes it, and takes it back when it is taken back",
    ),
    Column(
        "knew_seq",
        sa.BigInteger,
        comment="of a write of no decision: the last decision number given out when it was owed",
    ),
    Column(
        "knew_revision",
        sa.BigInteger,
        comment="of a write of no decision: the newest revision of the record when it was owed",
    ),
    _one_of("state", "owed", "sent", "superseded", "dead", "dropped"),
    Index("outbox_owed_ix", "source", "outbox_id", postgresql_where=text("state = 'owed'")),
    Index("outbox_record_ix", "external_id", "source", "object", "outbox_id"),
    Index("outbox_joining_ix", "joining_id", postgresql_where=text("joining_id is not null")),
    Index(
        "outbox_merged_ix",
        "source",
        text("(fields ->> 'merged_into')"),
        postgresql_where=text("object = 'merges'"),
    ),
    comment="Writes owed to a source system, one row each.",
)

push_state = Table(
    "push_state",
    metadata,
    Column("source", sa.Text, primary_key=True),
    _time("next_request_at", nullable=True, comment="the first moment that no request has taken yet"),
    _time("paused_until", nullable=True, comment="the source asked to be left alone"),
    Column(
        "failures",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="of the source as a whole, in a row",
    ),
    _time("open_until", nullable=True, comment="after too many failures nothing is sent until then"),
    _text("error", nullable=True, comment="of the last failure"),
    _time("failed_at", nullable=True),
    comment="How each system may be written to, or a provider asked, at the moment; shared by all processes.",
)

# --- policy -----------------------------------------------------------------------------------

policy_file = Table(
    "policy_file",
    metadata,
    Column("hash", sa.Text, primary_key=True, comment="sha256 of the content"),
    _text(
        "name",
        comment="scoring, routing, teams, sla, contract or sources; or a file's that one of them names",
    ),
    _text("content"),
    _recorded("stored_at"),
    comment="Every version of every policy file, by its content hash.",
)

policy_in_force = Table(
    "policy_in_force",
    metadata,
    Column("entry", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _text("name", index=True),
    Column("hash", sa.Text, ForeignKey("policy_file.hash"), nullable=False),
    _time("in_force_from", nullable=True, comment="null: since ever (the first published version)"),
    _text("by", info=PERSONAL),
    _text("because"),
    _recorded("published_at"),
    comment="The log of which version was in force from when.",
)

# --- the weight review ------------------------------------------------------------------------

REVIEW_STATUSES: Final = (
    "nothing",
    "proposed",
    "approved",
    "edited",
    "rejected",
    "timed_out",
    "rolled_back",
)

weight_review = Table(
    "weight_review",
    metadata,
    Column("review_id", UUID, primary_key=True, comment="the batch_id of its run"),
    _batch(nullable=True),
    _text("mode", comment="shadow: a report only, never decided"),
    _time("since", comment="leads routed from then on are learnt from"),
    _time("until"),
    _time("as_of", comment="what was known then"),
    Column("horizon_days", sa.Float, nullable=False, comment="within which an outcome of a lead counts"),
    _text("status"),
    Column(
        "current_hash",
        sa.Text,
        ForeignKey("policy_file.hash"),
        nullable=False,
        comment="the scoring.yaml that was judged",
    ),
    _text("proposed_text", nullable=True, comment="scoring.yaml as it would be; null: nothing is proposed"),
    _json("changes", comment="what is proposed, a rule each"),
    _json("bounds", comment="rule -> the lowest and the highest points that a person may choose"),
    _json("figures", comment="what was measured, and what the proposal promises, with intervals"),
    _json("reasons", comment="the verdict in sentences"),
    _text("report", comment="the page, HTML"),
    _text(
        "predictive",
        nullable=True,
        comment="the model of probability that may be switched on, JSON; null: none may",
    ),
    _text("refusal", nullable=True, comment="why the last answer could not be taken; it is asked for again"),
    _text(
        "decided_by", nullable=True, info=PERSONAL, comment="as Airflow knows who answered; null: nobody did"
    ),
    _time("decided_at", nullable=True),
    _text("because", nullable=True, comment="of the decision"),
    _text("final_text", nullable=True, comment="scoring.yaml as it was approved"),
    _time("in_force_from", nullable=True),
    Column("published_hash", sa.Text, ForeignKey("policy_file.hash"), index=True),
    _recorded("reviewed_at"),
    _one_of("mode", "live", "shadow"),
    _one_of("status", *REVIEW_STATUSES),
    comment="Reviews of the points, and what a person decided about each.",
)

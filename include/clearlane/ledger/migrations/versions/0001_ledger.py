"""The first ledger: all tables of the promise."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create sequence decision_seq")
    op.create_table(
        "batch",
        sa.Column("batch_id", sa.UUID(), nullable=False, comment="uuid5 of dag_id and run_id"),
        sa.Column("dag_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column(
            "run_type", sa.Text(), nullable=False, comment="scheduled, manual, asset_triggered, backfill"
        ),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "window_start", sa.DateTime(timezone=True), nullable=True, comment="null: a run without dates"
        ),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "as_of",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="the moment every stage of the run speaks for",
        ),
        sa.Column(
            "sources",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="names of the sources this run pulls",
        ),
        sa.Column(
            "policy",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="policy file name -> content hash, pinned for all tasks",
        ),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column(
            "opened_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("mode in ('live', 'shadow')", name=op.f("batch_mode_check")),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("batch_pk")),
        sa.UniqueConstraint("dag_id", "run_id", name=op.f("batch_dag_id_run_id_key")),
        comment="What one DAG run works on; written once, reused by every clear and retry.",
    )
    op.create_table(
        "lead",
        sa.Column("lead_id", sa.UUID(), nullable=False, comment="uuid5(source, external id)"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="in the source"),
        sa.Column("survivor_id", sa.UUID(), nullable=False),
        sa.Column("contact_id", sa.UUID(), nullable=True, comment="the existing contact this person is"),
        sa.Column("account_id", sa.UUID(), nullable=True),
        sa.Column("account_rule", sa.Text(), nullable=True, comment="contact, domain or name"),
        sa.Column(
            "company_key", sa.Text(), nullable=True, comment="normalised company name and country, or domain"
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["survivor_id"], ["lead.lead_id"], name=op.f("lead_survivor_id_fk")),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("lead_pk")),
        sa.UniqueConstraint("source", "external_id", name=op.f("lead_source_external_id_key")),
        comment="One row for each lead record of a source; survivor_id names the person it belongs to.",
    )
    op.create_index(op.f("lead_account_id_ix"), "lead", ["account_id"], unique=False)
    op.create_index(op.f("lead_company_key_ix"), "lead", ["company_key"], unique=False)
    op.create_index(op.f("lead_contact_id_ix"), "lead", ["contact_id"], unique=False)
    op.create_index(op.f("lead_survivor_id_ix"), "lead", ["survivor_id"], unique=False)
    op.create_table(
        "owner",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), nullable=False, comment="of the row kept: the newest"
        ),
        sa.PrimaryKeyConstraint("source", "external_id", name=op.f("owner_pk")),
        comment="Users of the source systems; teams.yaml says which rep each one is.",
    )
    op.create_table(
        "policy_file",
        sa.Column("hash", sa.Text(), nullable=False, comment="sha256 of the content"),
        sa.Column(
            "name", sa.Text(), nullable=False, comment="scoring, routing, teams, sla, contract or sources"
        ),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column(
            "stored_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("policy_file_pk")),
        comment="Every version of every policy file, by its content hash.",
    )
    op.create_table(
        "roster",
        sa.Column("roster_id", sa.Text(), nullable=False, comment="hash of the content"),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("roster_id", name=op.f("roster_pk")),
        comment="Teams, reps, calendars and absences as a decision saw them.",
    )
    op.create_table(
        "source_state",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column(
            "watermark",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the end of the last window pulled without a gap",
        ),
        sa.PrimaryKeyConstraint("source", "object", name=op.f("source_state_pk")),
        comment="How far live runs have read each source: a row per mapping, and per file where files are read.",
    )
    op.create_table(
        "suppression",
        sa.Column("kind", sa.Text(), nullable=False, comment="email or domain"),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column(
            "scope",
            sa.Text(),
            nullable=False,
            comment="contact: stops everything; marketing: stops nurture and marketing mail",
        ),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.CheckConstraint("scope in ('contact', 'marketing')", name=op.f("suppression_scope_check")),
        sa.PrimaryKeyConstraint("kind", "value", name=op.f("suppression_pk")),
        comment="People and companies we must not contact.",
    )
    op.create_table(
        "delivery",
        sa.Column("batch_id", sa.UUID(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("duplicate", sa.BigInteger(), nullable=False),
        sa.Column(
            "delivered_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("delivery_batch_id_fk")),
        sa.PrimaryKeyConstraint("batch_id", "source", "object", name=op.f("delivery_pk")),
        comment="Records received per run and object, with those the inbox already held.",
    )
    op.create_table(
        "inbox",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="known_at"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "object",
            sa.Text(),
            nullable=False,
            comment="leads, contacts, accounts, opportunities, activities, reps, outcomes or file",
        ),
        sa.Column(
            "record_key",
            sa.Text(),
            nullable=False,
            comment="external id and content hash, or content hash and ordinal",
        ),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "source_time",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the source says the record changed or happened",
        ),
        sa.Column("first_batch", sa.UUID(), nullable=True),
        sa.Column("batch_id", sa.UUID(), nullable=True),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="exactly as received"
        ),
        sa.Column(
            "record",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="mapped to our names, then typed by quality",
        ),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("state in ('waiting', 'consumed', 'quarantined')", name=op.f("inbox_state_check")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("inbox_batch_id_fk")),
        sa.ForeignKeyConstraint(["first_batch"], ["batch.batch_id"], name=op.f("inbox_first_batch_fk")),
        sa.PrimaryKeyConstraint("seq", name=op.f("inbox_pk")),
        sa.UniqueConstraint(
            "source", "object", "record_key", name=op.f("inbox_source_object_record_key_key")
        ),
        comment="Append-only landing table of raw records.",
    )
    op.create_index("inbox_batch_ix", "inbox", ["batch_id", "object", "seq"], unique=False)
    op.create_index("inbox_external_ix", "inbox", ["source", "object", "external_id"], unique=False)
    op.create_index("inbox_source_time_ix", "inbox", ["source", "object", "source_time"], unique=False)
    op.create_index(
        "inbox_waiting_ix",
        "inbox",
        ["batch_id", "object"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "lead_key",
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="email, role_email, email_name, phone_name, domain, company",
        ),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column(
            "current",
            sa.Boolean(),
            server_default=sa.text("true"),
            nullable=False,
            comment="of the latest revision",
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("lead_key_lead_id_fk")),
        sa.PrimaryKeyConstraint("lead_id", "kind", "value", name=op.f("lead_key_pk")),
        comment="Keys of every revision of a lead: equal current email, email_name or phone_name are one person.",
    )
    op.create_index("lead_key_value_ix", "lead_key", ["kind", "value"], unique=False)
    op.create_table(
        "merge",
        sa.Column("loser_id", sa.UUID(), nullable=False),
        sa.Column("merged_seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("survivor_id", sa.UUID(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["loser_id"], ["lead.lead_id"], name=op.f("merge_loser_id_fk")),
        sa.ForeignKeyConstraint(["survivor_id"], ["lead.lead_id"], name=op.f("merge_survivor_id_fk")),
        sa.PrimaryKeyConstraint("loser_id", "merged_seq", name=op.f("merge_pk")),
        comment="Reversible record of which lead joined which, and by which key.",
    )
    op.create_index(
        "merge_open_ix", "merge", ["loser_id"], unique=True, postgresql_where=sa.text("undone_at is null")
    )
    op.create_table(
        "policy_in_force",
        sa.Column("entry", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column(
            "in_force_from",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="null: since ever (the first published version)",
        ),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column(
            "published_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["hash"], ["policy_file.hash"], name=op.f("policy_in_force_hash_fk")),
        sa.PrimaryKeyConstraint("entry", name=op.f("policy_in_force_pk")),
        comment="The log of which version was in force from when.",
    )
    op.create_index(op.f("policy_in_force_name_ix"), "policy_in_force", ["name"], unique=False)
    op.create_table(
        "quality_result",
        sa.Column("batch_id", sa.UUID(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("seen", sa.Double(), nullable=True),
        sa.Column("allowed", sa.Text(), nullable=True),
        sa.Column("because", sa.Text(), nullable=False),
        sa.CheckConstraint("verdict in ('pass', 'warn', 'stop')", name=op.f("quality_result_verdict_check")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("quality_result_batch_id_fk")),
        sa.PrimaryKeyConstraint("batch_id", "source", "object", "rule", name=op.f("quality_result_pk")),
        comment="Batch rules: volume, share of bad rows, freshness, schema drift.",
    )
    op.create_table(
        "routing_event",
        sa.Column("event_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="band, match, decline, breach, departure, override"
        ),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rep_id", sa.Text(), nullable=True),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("handled_batch", sa.UUID(), nullable=True),
        sa.ForeignKeyConstraint(
            ["handled_batch"], ["batch.batch_id"], name=op.f("routing_event_handled_batch_fk")
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("routing_event_lead_id_fk")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("routing_event_pk")),
        comment="What calls for a lead to be routed again, or says that a person did.",
    )
    op.create_index(op.f("routing_event_lead_id_ix"), "routing_event", ["lead_id"], unique=False)
    op.create_table(
        "stage_entry",
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("cycle", sa.Integer(), server_default="1", nullable=False),
        sa.Column(
            "entered_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="event time; never moved by a rescore",
        ),
        sa.Column("because", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("stage_entry_lead_id_fk")),
        sa.PrimaryKeyConstraint("lead_id", "stage", "cycle", name=op.f("stage_entry_pk")),
        comment="When each stage was entered, per cycle.",
    )
    op.create_table(
        "work",
        sa.Column("batch_id", sa.UUID(), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column(
            "reason", sa.Text(), nullable=False, comment="revision, activity, account, merge or waiting"
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("work_batch_id_fk")),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("work_lead_id_fk")),
        sa.PrimaryKeyConstraint("batch_id", "lead_id", name=op.f("work_pk")),
        comment="The leads of a batch: survivors only.",
    )
    op.create_index(op.f("work_lead_id_ix"), "work", ["lead_id"], unique=False)
    op.create_table(
        "account_revision",
        sa.Column("revision_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_key", sa.Text(), nullable=True),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("owner_external_id", sa.Text(), nullable=True),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["inbox.seq"], name=op.f("account_revision_seq_fk")),
        sa.PrimaryKeyConstraint("revision_id", name=op.f("account_revision_pk")),
        sa.UniqueConstraint(
            "account_id",
            "valid_from",
            "content_hash",
            name=op.f("account_revision_account_id_valid_from_content_hash_key"),
        ),
        comment="Companies, as each source described them from a moment on.",
    )
    op.create_index("account_revision_domain_ix", "account_revision", ["domain"], unique=False)
    op.create_index(
        "account_revision_external_ix", "account_revision", ["source", "external_id"], unique=False
    )
    op.create_index("account_revision_name_key_ix", "account_revision", ["name_key"], unique=False)
    op.create_table(
        "activity",
        sa.Column(
            "activity_id", sa.UUID(), nullable=False, comment="uuid5(source, external id or record key)"
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("lead_external_id", sa.Text(), nullable=True),
        sa.Column("contact_external_id", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True, comment="where no lead is named"),
        sa.Column(
            "lead_id", sa.UUID(), nullable=True, comment="the lead record; null until that record is known"
        ),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["inbox.seq"], name=op.f("activity_seq_fk")),
        sa.PrimaryKeyConstraint("activity_id", name=op.f("activity_pk")),
        sa.UniqueConstraint("seq", name=op.f("activity_seq_key")),
        comment="Behavioural events of leads, with the time at which they happened.",
    )
    op.create_index(
        "activity_contact_ix",
        "activity",
        ["source", "contact_external_id"],
        unique=False,
        postgresql_where=sa.text("lead_external_id is null"),
    )
    op.create_index(
        "activity_email_ix",
        "activity",
        ["email"],
        unique=False,
        postgresql_where=sa.text("lead_external_id is null"),
    )
    op.create_index("activity_lead_ix", "activity", ["lead_id", "occurred_at"], unique=False)
    op.create_index(
        "activity_orphan_ix",
        "activity",
        ["source", "lead_external_id"],
        unique=False,
        postgresql_where=sa.text("lead_id is null"),
    )
    op.create_table(
        "contact_revision",
        sa.Column("revision_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("contact_id", sa.UUID(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("account_external_id", sa.Text(), nullable=True),
        sa.Column("owner_external_id", sa.Text(), nullable=True),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["inbox.seq"], name=op.f("contact_revision_seq_fk")),
        sa.PrimaryKeyConstraint("revision_id", name=op.f("contact_revision_pk")),
        sa.UniqueConstraint(
            "contact_id",
            "valid_from",
            "content_hash",
            name=op.f("contact_revision_contact_id_valid_from_content_hash_key"),
        ),
        comment="People the source already knows.",
    )
    op.create_index(
        "contact_revision_account_ix", "contact_revision", ["source", "account_external_id"], unique=False
    )
    op.create_index("contact_revision_email_ix", "contact_revision", ["email"], unique=False)
    op.create_index(
        "contact_revision_external_ix", "contact_revision", ["source", "external_id"], unique=False
    )
    op.create_table(
        "lead_revision",
        sa.Column("revision_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="normalised; typed as scoring.yaml declares",
        ),
        sa.Column(
            "keys",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="kind of lead_key -> [values]",
        ),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("lead_revision_lead_id_fk")),
        sa.ForeignKeyConstraint(["seq"], ["inbox.seq"], name=op.f("lead_revision_seq_fk")),
        sa.PrimaryKeyConstraint("revision_id", name=op.f("lead_revision_pk")),
        sa.UniqueConstraint(
            "lead_id",
            "valid_from",
            "content_hash",
            name=op.f("lead_revision_lead_id_valid_from_content_hash_key"),
        ),
        comment="What a source said about a lead from a moment on; never overwritten.",
    )
    op.create_table(
        "opportunity_revision",
        sa.Column("revision_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("opportunity_id", sa.UUID(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("lead_external_id", sa.Text(), nullable=True),
        sa.Column("contact_external_id", sa.Text(), nullable=True),
        sa.Column("account_external_id", sa.Text(), nullable=True),
        sa.Column("owner_external_id", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("amount", sa.Double(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["inbox.seq"], name=op.f("opportunity_revision_seq_fk")),
        sa.PrimaryKeyConstraint("revision_id", name=op.f("opportunity_revision_pk")),
        sa.UniqueConstraint(
            "opportunity_id",
            "valid_from",
            "content_hash",
            name=op.f("opportunity_revision_opportunity_id_valid_from_content_hash_key"),
        ),
        comment="Deals, as each source described them from a moment on.",
    )
    op.create_index(
        "opportunity_revision_account_ix",
        "opportunity_revision",
        ["source", "account_external_id"],
        unique=False,
    )
    op.create_index(
        "opportunity_revision_contact_ix",
        "opportunity_revision",
        ["source", "contact_external_id"],
        unique=False,
    )
    op.create_index(
        "opportunity_revision_lead_ix", "opportunity_revision", ["source", "lead_external_id"], unique=False
    )
    op.create_table(
        "outcome",
        sa.Column("outcome_id", sa.UUID(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("lead_external_id", sa.Text(), nullable=True),
        sa.Column("lead_id", sa.UUID(), nullable=True, comment="null until that record is known"),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="accepted, rejected, first_touch, meeting, sql, opportunity, won, lost",
        ),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("rep_id", sa.Text(), nullable=True),
        sa.Column("amount", sa.Double(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["seq"], ["inbox.seq"], name=op.f("outcome_seq_fk")),
        sa.PrimaryKeyConstraint("outcome_id", name=op.f("outcome_pk")),
        comment="What became of leads.",
    )
    op.create_index(op.f("outcome_lead_id_ix"), "outcome", ["lead_id"], unique=False)
    op.create_table(
        "quality_note",
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["seq"], ["inbox.seq"], name=op.f("quality_note_seq_fk")),
        sa.PrimaryKeyConstraint("seq", "field", "rule", name=op.f("quality_note_pk")),
        comment="Optional fields that were emptied, and why.",
    )
    op.create_table(
        "quarantine",
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column(
            "reasons",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[{field, rule, found, allowed}]",
        ),
        sa.Column("hand_raise", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("by", sa.Text(), nullable=True),
        sa.Column("because", sa.Text(), nullable=True),
        sa.CheckConstraint("state in ('open', 'replayed', 'dismissed')", name=op.f("quarantine_state_check")),
        sa.ForeignKeyConstraint(["seq"], ["inbox.seq"], name=op.f("quarantine_seq_fk")),
        sa.PrimaryKeyConstraint("seq", name=op.f("quarantine_pk")),
        comment="Records kept whole because they could not be used, with every reason.",
    )
    op.create_table(
        "enrichment",
        sa.Column("revision_id", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("confidence", sa.Double(), server_default="1", nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["lead_revision.revision_id"], name=op.f("enrichment_revision_id_fk")
        ),
        sa.PrimaryKeyConstraint("revision_id", "provider", name=op.f("enrichment_pk")),
        comment="What a provider added to a lead revision.",
    )
    op.create_table(
        "lead_profile",
        sa.Column("profile_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column(
            "valid_from",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="of the newest revision it is made of",
        ),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="source record, account and providers by precedence",
        ),
        sa.Column(
            "provenance",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="attribute -> where it came from",
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("kind_rule", sa.Text(), nullable=True),
        sa.Column("revision_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_revision_id", sa.BigInteger(), nullable=True),
        sa.Column("account_id", sa.UUID(), nullable=True),
        sa.Column("account_revision_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("lead_profile_lead_id_fk")),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["lead_revision.revision_id"], name=op.f("lead_profile_revision_id_fk")
        ),
        sa.PrimaryKeyConstraint("profile_id", name=op.f("lead_profile_pk")),
        comment="A person as known from a moment on: what rules read. The newest profile_id of a moment counts.",
    )
    op.create_index(
        "lead_profile_lead_ix", "lead_profile", ["lead_id", "valid_from", "profile_id"], unique=False
    )
    op.create_table(
        "score",
        sa.Column("score_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("policy_hash", sa.Text(), nullable=False, comment="of scoring.yaml"),
        sa.Column("batch_id", sa.UUID(), nullable=True),
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False, comment="before rounding and clamping"),
        sa.Column("fit", sa.Double(), nullable=False),
        sa.Column("engagement", sa.Double(), nullable=False),
        sa.Column("negative", sa.Double(), nullable=False),
        sa.Column("band", sa.Text(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("disqualified", sa.Text(), nullable=True, comment="the disqualifier that fired"),
        sa.Column("hand_raise", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "contributions",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="rule -> points, fired rules only",
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("score_batch_id_fk")),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("score_lead_id_fk")),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["lead_profile.profile_id"], name=op.f("score_profile_id_fk")
        ),
        sa.PrimaryKeyConstraint("score_id", name=op.f("score_pk")),
        comment="What a lead scored as of a moment under a policy. The newest score_id of a moment counts.",
    )
    op.create_index("score_lead_ix", "score", ["lead_id", "as_of", "policy_hash", "score_id"], unique=False)
    op.create_table(
        "decision",
        sa.Column("decision_seq", sa.BigInteger(), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("batch_id", sa.UUID(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.Column("score_id", sa.BigInteger(), nullable=False),
        sa.Column("roster_id", sa.Text(), nullable=False),
        sa.Column(
            "policy", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="policy file -> hash"
        ),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column(
            "terms",
            postgresql.BYTEA(),
            nullable=True,
            comment="bitmap: did each rule's `when` hold, in policy order",
        ),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=True),
        sa.Column("rotation", sa.Text(), nullable=True),
        sa.Column("band", sa.Text(), nullable=False),
        sa.Column("rep_id", sa.Text(), nullable=True),
        sa.Column("runner_up", sa.Text(), nullable=True),
        sa.Column("eligible", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "refused", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="rep -> why not"
        ),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("sla_due", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("mode in ('live', 'shadow')", name=op.f("decision_mode_check")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("decision_batch_id_fk")),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("decision_lead_id_fk")),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["lead_profile.profile_id"], name=op.f("decision_profile_id_fk")
        ),
        sa.ForeignKeyConstraint(["roster_id"], ["roster.roster_id"], name=op.f("decision_roster_id_fk")),
        sa.ForeignKeyConstraint(["score_id"], ["score.score_id"], name=op.f("decision_score_id_fk")),
        sa.PrimaryKeyConstraint("decision_seq", name=op.f("decision_pk")),
        sa.UniqueConstraint("batch_id", "lead_id", name=op.f("decision_batch_id_lead_id_key")),
        comment="What routing decided for one lead at one moment.",
    )
    op.create_index("decision_lead_ix", "decision", ["lead_id", "decision_seq"], unique=False)
    op.create_index("decision_rotation_ix", "decision", ["rotation", "band", "decision_seq"], unique=False)
    op.create_table(
        "assignment",
        sa.Column("assignment_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column(
            "rep_id",
            sa.Text(),
            nullable=True,
            comment="null: an owner in the source whom teams.yaml does not know",
        ),
        sa.Column("owner_external_id", sa.Text(), nullable=True),
        sa.Column("team", sa.Text(), nullable=True),
        sa.Column("decision_seq", sa.BigInteger(), nullable=True),
        sa.Column("by", sa.Text(), nullable=False, comment="clearlane, or person"),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.CheckConstraint("by in ('clearlane', 'person')", name=op.f("assignment_by_check")),
        sa.ForeignKeyConstraint(
            ["decision_seq"], ["decision.decision_seq"], name=op.f("assignment_decision_seq_fk")
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("assignment_lead_id_fk")),
        sa.PrimaryKeyConstraint("assignment_id", name=op.f("assignment_pk")),
        comment="A lead owned by a rep from a moment on.",
    )
    op.create_index(op.f("assignment_lead_id_ix"), "assignment", ["lead_id"], unique=False)
    op.create_index(
        "assignment_open_ix",
        "assignment",
        ["lead_id"],
        unique=True,
        postgresql_where=sa.text("ended_at is null"),
    )
    op.create_index(
        "assignment_open_rep_ix",
        "assignment",
        ["rep_id"],
        unique=False,
        postgresql_where=sa.text("ended_at is null"),
    )
    op.create_index("assignment_rep_ix", "assignment", ["rep_id", "started_at"], unique=False)
    op.create_table(
        "inquiry",
        sa.Column("inquiry_id", sa.UUID(), nullable=False, comment="the activity that opened it"),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column(
            "arrived_at", sa.DateTime(timezone=True), nullable=False, comment="the submit time in the source"
        ),
        sa.Column(
            "decision_seq",
            sa.BigInteger(),
            nullable=True,
            comment="the live decision that answered it; null: not answered yet",
        ),
        sa.ForeignKeyConstraint(["decision_seq"], ["decision.decision_seq"], name="inquiry_decision_seq_fk"),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("inquiry_lead_id_fk")),
        sa.PrimaryKeyConstraint("inquiry_id", name=op.f("inquiry_pk")),
        comment="One request for sales, with its own clock; two within 30 minutes are one.",
    )
    op.create_index(op.f("inquiry_lead_id_ix"), "inquiry", ["lead_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("outbox_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("decision_seq", sa.BigInteger(), nullable=True),
        sa.Column("batch_id", sa.UUID(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="what to write"),
        sa.Column("state", sa.Text(), server_default="owed", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "owed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state in ('owed', 'sent', 'superseded', 'dead')", name=op.f("outbox_state_check")
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("outbox_batch_id_fk")),
        sa.ForeignKeyConstraint(
            ["decision_seq"], ["decision.decision_seq"], name=op.f("outbox_decision_seq_fk")
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("outbox_lead_id_fk")),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("outbox_pk")),
        sa.UniqueConstraint("idempotency_key", name=op.f("outbox_idempotency_key_key")),
        comment="Writes owed to a source system, one row each.",
    )
    op.create_index(op.f("outbox_lead_id_ix"), "outbox", ["lead_id"], unique=False)
    op.create_index(
        "outbox_owed_ix",
        "outbox",
        ["source", "outbox_id"],
        unique=False,
        postgresql_where=sa.text("state = 'owed'"),
    )
    op.create_table(
        "place",
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=False,
            comment="a short code: rule id, owned_in_source, backfill, merged ...",
        ),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=True),
        sa.Column("rep_id", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision_seq", sa.BigInteger(), nullable=True),
        sa.Column("batch_id", sa.UUID(), nullable=True),
        sa.CheckConstraint(
            "place in ('waiting', 'quarantined', 'owned', 'pool', 'nurture', 'held', 'disqualified', 'exceptions', 'redirected', 'closed')",  # noqa: E501
            name=op.f("place_place_check"),
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("place_batch_id_fk")),
        sa.ForeignKeyConstraint(
            ["decision_seq"], ["decision.decision_seq"], name=op.f("place_decision_seq_fk")
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("place_lead_id_fk")),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("place_pk")),
        comment="The one visible place of each lead, with the reason.",
    )
    op.create_index("place_place_ix", "place", ["place"], unique=False)
    op.create_table(
        "turn",
        sa.Column("decision_seq", sa.BigInteger(), nullable=False),
        sa.Column("rep_id", sa.Text(), nullable=False),
        sa.Column("rotation", sa.Text(), nullable=False),
        sa.Column("band", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="turn, enter or return"),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("credit", sa.Numeric(precision=18, scale=9), nullable=False, comment="after this row"),
        sa.CheckConstraint("kind in ('turn', 'enter', 'return')", name=op.f("turn_kind_check")),
        sa.ForeignKeyConstraint(
            ["decision_seq"], ["decision.decision_seq"], name=op.f("turn_decision_seq_fk")
        ),
        sa.PrimaryKeyConstraint("decision_seq", "rep_id", name=op.f("turn_pk")),
        comment="The fairness ledger: credit of each rep per rotation and band.",
    )
    op.create_index("turn_rotation_ix", "turn", ["rotation", "band", "rep_id", "decision_seq"], unique=False)
    op.create_table(
        "sla_clock",
        sa.Column("clock_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("inquiry_id", sa.UUID(), nullable=True),
        sa.Column("decision_seq", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False, comment="arrival, assignment or accept"),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("rep_id", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("met_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["decision_seq"], ["decision.decision_seq"], name=op.f("sla_clock_decision_seq_fk")
        ),
        sa.ForeignKeyConstraint(["inquiry_id"], ["inquiry.inquiry_id"], name=op.f("sla_clock_inquiry_id_fk")),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("sla_clock_lead_id_fk")),
        sa.PrimaryKeyConstraint("clock_id", name=op.f("sla_clock_pk")),
        sa.UniqueConstraint("decision_seq", "kind", name="sla_clock_decision_kind_key"),
        comment="A promise with a start, a due moment in business time, and an end.",
    )
    op.create_index("sla_clock_lead_ix", "sla_clock", ["lead_id"], unique=False)
    op.create_index(
        "sla_clock_open_ix",
        "sla_clock",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("met_at is null and ended_at is null"),
    )
    op.create_index(
        "sla_clock_open_lead_ix",
        "sla_clock",
        ["lead_id"],
        unique=False,
        postgresql_where=sa.text("met_at is null and ended_at is null"),
    )


def downgrade() -> None:
    op.drop_index(
        "sla_clock_open_lead_ix",
        table_name="sla_clock",
        postgresql_where=sa.text("met_at is null and ended_at is null"),
    )
    op.drop_index(
        "sla_clock_open_ix",
        table_name="sla_clock",
        postgresql_where=sa.text("met_at is null and ended_at is null"),
    )
    op.drop_index("sla_clock_lead_ix", table_name="sla_clock")
    op.drop_table("sla_clock")
    op.drop_index("turn_rotation_ix", table_name="turn")
    op.drop_table("turn")
    op.drop_index("place_place_ix", table_name="place")
    op.drop_table("place")
    op.drop_index("outbox_owed_ix", table_name="outbox", postgresql_where=sa.text("state = 'owed'"))
    op.drop_index(op.f("outbox_lead_id_ix"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(op.f("inquiry_lead_id_ix"), table_name="inquiry")
    op.drop_table("inquiry")
    op.drop_index("assignment_rep_ix", table_name="assignment")
    op.drop_index(
        "assignment_open_rep_ix", table_name="assignment", postgresql_where=sa.text("ended_at is null")
    )
    op.drop_index("assignment_open_ix", table_name="assignment", postgresql_where=sa.text("ended_at is null"))
    op.drop_index(op.f("assignment_lead_id_ix"), table_name="assignment")
    op.drop_table("assignment")
    op.drop_index("decision_rotation_ix", table_name="decision")
    op.drop_index("decision_lead_ix", table_name="decision")
    op.drop_table("decision")
    op.drop_index("score_lead_ix", table_name="score")
    op.drop_table("score")
    op.drop_index("lead_profile_lead_ix", table_name="lead_profile")
    op.drop_table("lead_profile")
    op.drop_table("enrichment")
    op.drop_table("quarantine")
    op.drop_table("quality_note")
    op.drop_index(op.f("outcome_lead_id_ix"), table_name="outcome")
    op.drop_table("outcome")
    op.drop_index("opportunity_revision_lead_ix", table_name="opportunity_revision")
    op.drop_index("opportunity_revision_contact_ix", table_name="opportunity_revision")
    op.drop_index("opportunity_revision_account_ix", table_name="opportunity_revision")
    op.drop_table("opportunity_revision")
    op.drop_table("lead_revision")
    op.drop_index("contact_revision_external_ix", table_name="contact_revision")
    op.drop_index("contact_revision_email_ix", table_name="contact_revision")
    op.drop_index("contact_revision_account_ix", table_name="contact_revision")
    op.drop_table("contact_revision")
    op.drop_index("activity_orphan_ix", table_name="activity", postgresql_where=sa.text("lead_id is null"))
    op.drop_index("activity_lead_ix", table_name="activity")
    op.drop_index(
        "activity_email_ix", table_name="activity", postgresql_where=sa.text("lead_external_id is null")
    )
    op.drop_index(
        "activity_contact_ix", table_name="activity", postgresql_where=sa.text("lead_external_id is null")
    )
    op.drop_table("activity")
    op.drop_index("account_revision_name_key_ix", table_name="account_revision")
    op.drop_index("account_revision_external_ix", table_name="account_revision")
    op.drop_index("account_revision_domain_ix", table_name="account_revision")
    op.drop_table("account_revision")
    op.drop_index(op.f("work_lead_id_ix"), table_name="work")
    op.drop_table("work")
    op.drop_table("stage_entry")
    op.drop_index(op.f("routing_event_lead_id_ix"), table_name="routing_event")
    op.drop_table("routing_event")
    op.drop_table("quality_result")
    op.drop_index(op.f("policy_in_force_name_ix"), table_name="policy_in_force")
    op.drop_table("policy_in_force")
    op.drop_index("merge_open_ix", table_name="merge", postgresql_where=sa.text("undone_at is null"))
    op.drop_table("merge")
    op.drop_index("lead_key_value_ix", table_name="lead_key")
    op.drop_table("lead_key")
    op.drop_index("inbox_waiting_ix", table_name="inbox", postgresql_where=sa.text("state = 'waiting'"))
    op.drop_index("inbox_source_time_ix", table_name="inbox")
    op.drop_index("inbox_external_ix", table_name="inbox")
    op.drop_index("inbox_batch_ix", table_name="inbox")
    op.drop_table("inbox")
    op.drop_table("delivery")
    op.drop_table("suppression")
    op.drop_table("source_state")
    op.drop_table("roster")
    op.drop_table("policy_file")
    op.drop_table("owner")
    op.drop_index(op.f("lead_survivor_id_ix"), table_name="lead")
    op.drop_index(op.f("lead_contact_id_ix"), table_name="lead")
    op.drop_index(op.f("lead_company_key_ix"), table_name="lead")
    op.drop_index(op.f("lead_account_id_ix"), table_name="lead")
    op.drop_table("lead")
    op.drop_table("batch")
    op.execute("drop sequence decision_seq")

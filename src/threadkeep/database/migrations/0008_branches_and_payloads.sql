-- Own ids, payloads, expiry, copies and branches.

alter table threads add column external_id text;
alter table threads add column payload_format text;
-- When the thread deletes itself. With a retention each stored message moves that on; what a caller says ends it.
alter table threads add column expires_ms bigint;
alter table threads add column retention_ms bigint;
-- Where it was copied from: the number of a thread, and a message's id.
alter table threads add column copied_thread bigint;
alter table threads add column copied_message text;
-- Whether it has rows in `forks`, or had some.
alter table threads add column is_branched smallint not null default 0;
create unique index threads_by_external_id on threads (organization, external_id, user_id)
    where external_id is not null;
create index threads_by_expiry on threads (expires_ms) where expires_ms is not null;

alter table messages add column external_id text;
alter table messages add column payload_format text;
-- Without text, files and calls: a preview shows the message before it.
alter table messages add column is_blank smallint not null default 0;
update messages set is_blank = 1 where content = '[]' and tool_calls is null and status <> 'in_progress';
create unique index messages_by_external_id on messages (organization, thread, external_id)
    where external_id is not null;

-- The payload of a message, or with number 0 that of its thread. A table of its own: most reads do not want it.
-- The size comes before the data: SQLite would read all of the data to find what comes behind it.
create table payloads (
    organization bigint not null,
    thread bigint not null,
    seq bigint not null,
    size_bytes bigint not null,
    data text not null,
    primary key (organization, thread, seq)
);

-- Messages that do not follow the message before them, with the number of the one they follow, or 0 for none. The
-- numbers from one such message to the next are a run: a line is a list of runs, each cut off where the next begins.
create table forks (
    organization bigint not null,
    thread bigint not null,
    seq bigint not null,
    parent_seq bigint not null,
    primary key (organization, thread, seq)
) without rowid;                                                    -- sqlite
);                                                                  -- postgres
create index forks_by_parent on forks (organization, thread, parent_seq);

alter table organizations add column retention_days bigint;
alter table idempotency add column thread_revision bigint;

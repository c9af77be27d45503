-- Changes of many threads, worked off in short steps.

create table bulks (
    key integer primary key autoincrement,                          -- sqlite
    key bigint generated always as identity,                        -- postgres
    organization bigint not null references organizations (key),
    id text not null,
    user_id text not null,
    action text not null,
    status text not null,
    matched bigint not null,
    done bigint not null,
    changed bigint not null,
    undone bigint not null default 0,
    -- How many threads were refused, by the code of the error.
    refused text not null,
    -- How many threads go in one step.
    step_size bigint not null,
    -- The last part that was worked off; while it is undone, the last thread.
    position bigint not null default 0,
    created_ms bigint not null,
    until_ms bigint not null,
    -- Set while there is something to do: until then only this worker does it. The oldest lease is served first.
    lease_until bigint,
    worker text,
    -- Whose rights count for each step.
    caller text not null,
    -- What an update sets. It may hold words, so it goes with the last step.
    primary key (organization, key),                                -- postgres
    change text
);
create unique index bulks_by_id on bulks (organization, id);
create index bulks_by_lease on bulks (lease_until) where lease_until is not null;
create index bulks_by_time on bulks (until_ms);

-- Threads that are still to be worked off: some keys at a time, as JSON.
create table bulk_parts (
    organization bigint not null,
    bulk bigint not null,
    part bigint not null,
    thread_count bigint not null,
    threads text not null,
    primary key (organization, bulk, part)
);

-- What a thread was before the last bulk that changed it. Of no use once its revision has moved on; so one row for each
-- thread is enough.
create table bulk_undo (
    organization bigint not null,
    thread bigint not null,
    bulk bigint not null,
    revision bigint not null,
    was text not null,
    payload text,
    primary key (organization, thread)
);
create index bulk_undo_of_bulk on bulk_undo (organization, bulk, thread);

-- Organizations, credentials, threads and messages.
-- A line that ends in "-- sqlite" or "-- postgres" belongs to that database alone; all other lines belong to both.
-- Keys are integers inside and lead with the organization's, so that no row can refer across organizations
-- and every table can be distributed by organization. Times are Unix milliseconds.

create table organizations (
    key integer primary key autoincrement,                          -- sqlite
    key bigint generated always as identity primary key,            -- postgres
    id text not null,
    name text not null,
    created_ms bigint not null,
    updated_ms bigint not null,
    revision bigint not null,
    deleted_ms bigint
);
-- A deleted organization frees its id at once; its rows go in the background.
create unique index organizations_by_id on organizations (id) where deleted_ms is null;

create table members (
    organization bigint not null references organizations (key),
    user_id text not null,
    role text not null,
    created_ms bigint not null,
    updated_ms bigint not null,
    revision bigint not null,
    primary key (organization, user_id)
);
create index members_by_user on members (user_id);

create table api_keys (
    organization bigint not null references organizations (key),
    id text not null,
    user_id text not null,
    role text not null,
    name text,
    secret_hash blob not null,                                      -- sqlite
    secret_hash bytea not null,                                     -- postgres
    created_ms bigint not null,
    revision bigint not null,
    primary key (organization, id)
);
create unique index api_keys_by_secret on api_keys (secret_hash);
create unique index api_keys_by_id on api_keys (id);
create index api_keys_by_user on api_keys (organization, user_id);

create table threads (
    key integer primary key autoincrement,                          -- sqlite
    key bigint generated always as identity,                        -- postgres
    organization bigint not null references organizations (key),
    id text not null,
    user_id text not null,
    assistant_id text,
    title text,
    title_folded text,
    title_revision bigint not null default 0,
    metadata text not null,
    visible_in_ui smallint not null,
    locked_ms bigint,
    locked_by_role text,
    archived_ms bigint,
    message_count bigint not null,
    last_seq bigint not null,
    -- Messages up to here were deleted all at once; their rows go in the background.
    cleared_seq bigint not null default 0,
    last_message_ms bigint,
    created_ms bigint not null,
    updated_ms bigint not null,
    revision bigint not null,
    response_id text,
    lease_until bigint,
    -- State and visibility as one number, so that every such filter is a few ranges of one index:
    -- open 0, locked 2, archived 4; one more when visible.
    primary key (organization, key),                                -- postgres
    shelf smallint not null generated always as (
        case when archived_ms is not null then 4 when locked_ms is not null then 2 else 0 end + visible_in_ui
    ) stored
);
create unique index threads_by_id on threads (organization, id);
create index threads_newest on threads (organization, created_ms, key) where archived_ms is null;
create index threads_newest_of_user on threads (organization, user_id, created_ms, key) where archived_ms is null;
create index threads_changed on threads (organization, updated_ms, key) where archived_ms is null;
create index threads_changed_of_user on threads (organization, user_id, updated_ms, key) where archived_ms is null;
create index threads_on_shelf on threads (organization, shelf, created_ms, key);
create index threads_on_shelf_of_user on threads (organization, user_id, shelf, created_ms, key);
create index threads_of_assistant on threads (organization, assistant_id, shelf, created_ms, key)
    where assistant_id is not null;
create index threads_of_assistant_and_user on threads (organization, assistant_id, user_id, shelf, created_ms, key)
    where assistant_id is not null;
create index threads_answering on threads (organization, created_ms, key) where response_id is not null;
create index threads_answering_of_user on threads (organization, user_id, created_ms, key)
    where response_id is not null;

-- Kept for 24 hours, so that a deleted thread's id still works as a cursor.
create table deleted_threads (
    organization bigint not null,
    key bigint not null,
    id text not null,
    user_id text not null,
    created_ms bigint not null,
    deleted_ms bigint not null,
    primary key (organization, key)
);
create index deleted_threads_by_id on deleted_threads (organization, id);
create index deleted_threads_by_time on deleted_threads (deleted_ms);

-- One row for each distinct value text of a thread's metadata, found by a 128-bit hash of key and value.
create table thread_metadata (
    organization bigint not null,
    pair blob not null,                                             -- sqlite
    pair bytea not null,                                            -- postgres
    shelf smallint not null,
    created_ms bigint not null,
    thread bigint not null,
    user_id text not null,
    primary key (organization, pair, shelf, created_ms, thread)
) without rowid;                                                    -- sqlite
);                                                                  -- postgres
create index thread_metadata_of_user on thread_metadata (organization, user_id, pair, shelf, created_ms, thread);

create table messages (
    key integer primary key,                                        -- sqlite
    organization bigint not null,
    thread bigint not null,
    seq bigint not null,
    id text not null,
    role text not null,
    content text not null,
    preview text not null,
    size_bytes bigint not null,
    status text not null,
    user_id text,
    assistant_id text,
    response_id text,
    tool_calls text,
    tool_call_id text,
    metadata text not null,
    created_ms bigint not null,
    updated_ms bigint not null,
    revision bigint not null
);
create unique index messages_in_thread on messages (organization, thread, seq);
create unique index messages_by_id on messages (organization, id);

-- What is kept of a deleted message: its id and place, for 24 hours.
create table deleted_messages (
    organization bigint not null,
    thread bigint not null,
    seq bigint not null,
    id text not null,
    deleted_ms bigint not null,
    primary key (organization, thread, seq)
);
create index deleted_messages_by_id on deleted_messages (organization, id);
create index deleted_messages_by_time on deleted_messages (deleted_ms);

-- Rows that are already out of reach and go in the background: messages of a thread up to a number.
create table purges (
    organization bigint not null,
    thread bigint not null,
    last_seq bigint not null,
    keeps_places smallint not null,
    primary key (organization, thread, last_seq)
);

-- Users whose threads are being erased, up to the newest thread they had then.
create table erasures (
    organization bigint not null,
    user_id text not null,
    last_thread bigint not null,
    primary key (organization, user_id)
);

create table idempotency (
    organization bigint not null,
    caller text not null,
    request text not null,
    key text not null,
    fingerprint blob not null,                                      -- sqlite
    fingerprint bytea not null,                                     -- postgres
    status smallint not null,
    body text,
    revision bigint,
    thread bigint,
    first_seq bigint,
    last_seq bigint,
    expires_ms bigint not null,
    primary key (organization, caller, request, key)
);
create index idempotency_of_thread on idempotency (organization, thread) where thread is not null;
create index idempotency_by_time on idempotency (expires_ms);

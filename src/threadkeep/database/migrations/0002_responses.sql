-- Assistants, responses, their events, and usage. How lines are marked is said in 0001_threads.sql.

create table assistants (
    organization bigint not null references organizations (key),
    id text not null,
    name text not null,
    instructions text,
    -- The other settings, as JSON; one that is absent is left open.
    configuration text not null,
    metadata text not null,
    created_ms bigint not null,
    updated_ms bigint not null,
    revision bigint not null,
    primary key (organization, id)
);
create unique index assistants_by_name on assistants (organization, name);

create table responses (
    key integer primary key autoincrement,                          -- sqlite
    key bigint generated always as identity,                        -- postgres
    organization bigint not null,
    id text not null,
    thread bigint not null,
    -- Its answer, which may be gone: deleted, or ended with nothing in it.
    message_seq bigint not null,
    message_id text not null,
    user_id text not null,
    -- Whether a person asked for it, or a backend for one of its users: of these each user has only so many at a time.
    is_personal smallint not null,
    assistant_id text,
    model text not null,
    status text not null,
    error_code text,
    error_message text,
    -- How many messages the request stored; they stand directly before the answer.
    input_count bigint not null,
    input_message_ids text not null,
    metadata text not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    is_estimated smallint not null,
    created_ms bigint not null,
    ended_ms bigint,
    -- The number of its terminal event, once it has ended.
    last_n bigint,
    primary key (organization, key),                                -- postgres
    -- When its events may go, once it has ended; null when they are gone.
    events_until_ms bigint
);
create unique index responses_by_id on responses (organization, id);
create index responses_of_thread on responses (organization, thread, id);
create index responses_running on responses (organization, user_id) where status = 'in_progress';
create index responses_with_events on responses (events_until_ms) where events_until_ms is not null;

-- What was streamed, except the first and the last event, which are made of the rows above. Rows lie in the order of
-- their coming, and their index is small: a flush for a thousand responses shall not touch a thousand pages.
create table response_events (
    organization bigint not null,
    response bigint not null,
    n bigint not null,
    kind smallint not null,
    data text not null
);
create unique index response_events_in_order on response_events (organization, response, n);

-- A retry with the same key follows the response that the first request began.
alter table idempotency add column response_id text;

-- Which assistant an answer shows, so that deleting it empties the answer.
alter table idempotency add column assistant_id text;
create index idempotency_of_assistant on idempotency (organization, assistant_id) where assistant_id is not null;

-- One row for each response that ended; the sweeper sums them up by day. They outlive everything else.
create table usage_rows (
    key integer primary key autoincrement,                          -- sqlite
    key bigint generated always as identity,                        -- postgres
    organization bigint not null,
    day text not null,
    user_id text not null,
    assistant_id text not null,
    model text not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    primary key (organization, key),                                -- postgres
    estimated_tokens bigint not null
);
create index usage_rows_by_day on usage_rows (organization, day);

create table usage_days (
    organization bigint not null,
    day text not null,
    user_id text not null,
    assistant_id text not null,
    model text not null,
    responses bigint not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    estimated_tokens bigint not null,
    primary key (organization, day, user_id, assistant_id, model)
);

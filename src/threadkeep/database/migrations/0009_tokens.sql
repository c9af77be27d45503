-- Users for whom an API key made tokens that may still count. A token names its user's generation: deleting the row
-- refuses all of the user's tokens, and those that are made afterwards are of another generation.
create table token_users (
    organization bigint not null,
    user_id text not null,
    generation text not null,
    expires_ms bigint not null,
    primary key (organization, user_id)
);
create index token_users_by_time on token_users (expires_ms);

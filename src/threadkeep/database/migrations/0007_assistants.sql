-- Assistants have ids that may be chosen, names that need be neither given nor unique, and a description.

drop index assistants_by_name;
alter table assistants alter column name drop not null;             -- postgres
-- SQLite cannot take "not null" from a column: another one takes its place.
alter table assistants rename column name to unique_name;           -- sqlite
alter table assistants add column name text;                        -- sqlite
update assistants set name = unique_name;                           -- sqlite
alter table assistants drop column unique_name;                     -- sqlite
alter table assistants add column description text;
-- A deleted assistant's row stays, with nothing in it but its id, which is never given again.
alter table assistants add column deleted_ms bigint;
-- A chosen id does not tell when its assistant was created, as those that are made do.
create index assistants_newest on assistants (organization, created_ms, id) where deleted_ms is null;

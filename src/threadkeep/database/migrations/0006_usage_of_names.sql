-- How many responses a row of usage stands for: generated names use tokens and are none.
alter table usage_rows add column responses smallint not null default 1;

-- Responses that give a model the results of its calls, and threads that the service makes.

-- The key of the chain's first response; null for that one itself, as for every response that stands alone.
alter table responses add column first bigint;
-- On a first response, as JSON: what it was asked for, so that later ones of its chain are asked for the same.
alter table responses add column asked text;
create index responses_of_chain on responses (organization, first) where first is not null;

-- 1: made by the service for responses without a thread; 2: and deleted when its one answer is out.
alter table threads add column service_made smallint not null default 0;

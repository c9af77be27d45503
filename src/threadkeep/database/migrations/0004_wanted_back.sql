-- What a model's server wants back with its answer, as JSON: read for that model alone, never by a list of messages.
alter table messages add column wanted_back text;

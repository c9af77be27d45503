-- Why the model of a completed response ended its answer; null for all others, and for answers from before.

alter table responses add column finish_reason text;

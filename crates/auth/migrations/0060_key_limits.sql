-- Where a key may be used from, and who made it for what (control 150). An empty list is everywhere.
alter table palisade.api_keys add column addresses text[] not null default '{}';

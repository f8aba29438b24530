-- Keys that open nothing and tell of whoever tries them. In lists they are keys like any other.
alter table palisade.api_keys add column bait boolean not null default false;

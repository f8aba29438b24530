-- What a device is told apart by, besides its exact place: the program's name and the wider network, each a keyed digest of
-- its own. A sign-in with either of them new is told to the owner.
alter table palisade.known_places add column kind text not null default 'place'
    check (kind in ('place', 'agent', 'network'));

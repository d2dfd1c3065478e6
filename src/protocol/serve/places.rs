//! Who keeps a place among the connections, and who gives way. Data in, decisions out; the loop acts on them.
//!
//! ```text
//! arrives ─ silent ─(a TLS greeting came)─ greeted ─(a key is proven)─┬─ guest: a key that nobody enrolled
//!                                                                     └─ known: an enrolled key
//! ```
//! Each of the first three stages has a few places. A newcomer always gets one: the oldest of the source that holds most gives way. So
//! silence holds nobody up, and a source with few connections loses none to one with many. Places of known keys are apart: no stranger
//! takes or ends one. A known key has at most so many, so that one of them cannot take all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nothing that is understood was sent yet.
    pub silent: usize,
    /// The TLS handshake is under way.
    pub greeted: usize,
    /// The key is proven, and nobody enrolled it.
    pub guests: usize,
    /// Connections of known keys.
    pub known: usize,
    /// Of these, connections of one key.
    pub per_key: usize,
}

impl Limits {
    /// All places.
    pub const fn all(&self) -> usize {
        self.silent + self.greeted + self.guests + self.known
    }
}

/// Why a connection gets no place where it wants to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// It gave way to a newer one meanwhile.
    GaveWay,
    /// Known keys, or this one, hold all that they may.
    Full,
}

/// A connection's number.
pub type Id = u64;

/// The places and who holds them.
#[derive(Debug)]
pub struct Places {
    limits: Limits,
    ticket: u64,
    seats: BTreeMap<Id, Seat>,
    silent: Stage,
    greeted: Stage,
    guests: Stage,
    known: BTreeMap<String, usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seat {
    source: Source,
    standing: Standing,
}

/// With the ticket of its stage: a lower one is older there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    Silent(u64),
    Greeted(u64),
    Guest(u64),
    Known(String),
}

/// Whom an address belongs to: a host with IPv6 has 2^64 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Source(u128);

impl Source {
    fn of(address: IpAddr) -> Source {
        match address.to_canonical() {
            IpAddr::V4(address) => Source(u128::from(address.to_bits())),
            IpAddr::V6(address) => Source(address.to_bits() >> 64 << 64),
        }
    }
}

/// Connections of one stage, by source and age.
#[derive(Debug, Default)]
struct Stage {
    held: BTreeMap<Source, BTreeSet<(u64, Id)>>,
    count: usize,
}

impl Stage {
    /// Takes one in; the one that gives way for it.
    fn add(&mut self, source: Source, ticket: u64, id: Id, limit: usize) -> Option<Id> {
        if self.held.entry(source).or_default().insert((ticket, id)) {
            self.count += 1;
        }
        if self.count <= limit { None } else { self.oldest() }
    }

    /// The oldest of the source that holds most.
    fn oldest(&self) -> Option<Id> {
        let most = self.held.values().max_by_key(|held| (held.len(), std::cmp::Reverse(held.first())))?;
        most.first().map(|(_, id)| *id)
    }

    fn remove(&mut self, source: Source, ticket: u64, id: Id) {
        let Some(held) = self.held.get_mut(&source) else { return };
        if held.remove(&(ticket, id)) {
            self.count -= 1;
        }
        if held.is_empty() {
            self.held.remove(&source);
        }
    }
}

impl Places {
    /// All of them free.
    pub fn new(limits: Limits) -> Places {
        let (silent, greeted, guests) = Default::default();
        Places { limits, ticket: 0, seats: BTreeMap::new(), silent, greeted, guests, known: BTreeMap::new() }
    }

    /// How many are held.
    pub fn held(&self) -> usize {
        self.seats.len()
    }

    /// A connection is there: its number, and the one that gives way.
    pub fn arrive(&mut self, from: IpAddr) -> (Id, Option<Id>) {
        let (id, source) = (self.next(), Source::of(from));
        self.seats.insert(id, Seat { source, standing: Standing::Silent(id) });
        let out = self.silent.add(source, id, id, self.limits.silent);
        (id, self.give_way(out))
    }

    /// Its greeting came; the one that gives way.
    pub fn greet(&mut self, id: Id) -> Result<Option<Id>, NoPlace> {
        let (source, ticket) = self.move_on(id)?;
        self.seats.insert(id, Seat { source, standing: Standing::Greeted(ticket) });
        let out = self.greeted.add(source, ticket, id, self.limits.greeted);
        Ok(self.give_way(out))
    }

    /// It proved a key that nobody enrolled, or none; the one that gives way.
    pub fn receive(&mut self, id: Id) -> Result<Option<Id>, NoPlace> {
        let (source, ticket) = self.move_on(id)?;
        self.seats.insert(id, Seat { source, standing: Standing::Guest(ticket) });
        let out = self.guests.add(source, ticket, id, self.limits.guests);
        Ok(self.give_way(out))
    }

    /// It proved a known key. From here on no stranger ends it.
    pub fn know(&mut self, id: Id, key: &str) -> Result<(), NoPlace> {
        let seat = self.seats.get(&id).ok_or(NoPlace::GaveWay)?;
        if matches!(&seat.standing, Standing::Known(held) if held == key) {
            return Ok(());
        }
        let of_key = self.known.get(key).copied().unwrap_or(0);
        if of_key >= self.limits.per_key || self.known.values().sum::<usize>() >= self.limits.known {
            return Err(NoPlace::Full);
        }
        let (source, _) = self.move_on(id)?;
        *self.known.entry(key.to_owned()).or_default() += 1;
        self.seats.insert(id, Seat { source, standing: Standing::Known(key.to_owned()) });
        Ok(())
    }

    /// It ended. Well when it gave way before.
    pub fn leave(&mut self, id: Id) {
        self.take_off(id);
    }

    /// The stranger that gives way when the system itself has no room.
    pub fn make_room(&mut self) -> Option<Id> {
        let out = self.silent.oldest().or_else(|| self.greeted.oldest()).or_else(|| self.guests.oldest());
        self.give_way(out)
    }

    fn next(&mut self) -> u64 {
        self.ticket += 1;
        self.ticket
    }

    /// Takes it off its stage; its source, and a ticket for the next one.
    fn move_on(&mut self, id: Id) -> Result<(Source, u64), NoPlace> {
        let source = self.take_off(id).ok_or(NoPlace::GaveWay)?;
        Ok((source, self.next()))
    }

    /// Takes it off its stage; its source, if it has a place.
    fn take_off(&mut self, id: Id) -> Option<Source> {
        let Seat { source, standing } = self.seats.remove(&id)?;
        match standing {
            Standing::Silent(ticket) => self.silent.remove(source, ticket, id),
            Standing::Greeted(ticket) => self.greeted.remove(source, ticket, id),
            Standing::Guest(ticket) => self.guests.remove(source, ticket, id),
            Standing::Known(key) => {
                if let Some(count) = self.known.get_mut(&key) {
                    *count -= 1;
                    if *count == 0 {
                        self.known.remove(&key);
                    }
                }
            }
        }
        Some(source)
    }

    fn give_way(&mut self, out: Option<Id>) -> Option<Id> {
        let out = out?;
        self.leave(out);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { silent: 4, greeted: 3, guests: 2, known: 6, per_key: 4 };

    fn host(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Arrive(u8),
        Greet(usize),
        Receive(usize),
        Leave(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (1..6_u8).prop_map(Step::Arrive),
            2 => any::<usize>().prop_map(Step::Greet),
            2 => any::<usize>().prop_map(Step::Receive),
            1 => any::<usize>().prop_map(Step::Leave),
        ];
        prop::collection::vec(step, 0..60)
    }

    /// What strangers do; those who gave way, in order.
    fn strangers(places: &mut Places, ids: &mut Vec<Id>, step: &Step) -> Option<Id> {
        let pick = |ids: &[Id], n: usize| if ids.is_empty() { None } else { Some(ids[n % ids.len()]) };
        match step {
            Step::Arrive(from) => {
                let (id, out) = places.arrive(host(*from));
                ids.push(id);
                out
            }
            Step::Greet(n) => pick(ids, *n).and_then(|id| places.greet(id).ok().flatten()),
            Step::Receive(n) => pick(ids, *n).and_then(|id| places.receive(id).ok().flatten()),
            Step::Leave(n) => {
                pick(ids, *n).into_iter().for_each(|id| places.leave(id));
                None
            }
        }
    }

    proptest! {
        /// Invariant 17.
        #[test]
        fn a_known_key_is_never_refused_or_ended_because_of_strangers(before in steps(), after in steps()) {
            let (mut places, mut ids) = (Places::new(LIMITS), Vec::new());
            for step in &before {
                strangers(&mut places, &mut ids, step);
            }
            // From the very address of the strangers.
            let (console, _) = places.arrive(host(1));
            prop_assert!(places.greet(console).is_ok());
            prop_assert!(places.know(console, "console").is_ok());
            for step in &after {
                prop_assert_ne!(strangers(&mut places, &mut ids, step), Some(console));
                prop_assert!(places.held() <= LIMITS.all());
            }
            prop_assert!(places.know(console, "console").is_ok(), "it still has its place");
        }

        #[test]
        fn a_source_with_one_connection_loses_it_to_no_source_with_many(crowd in 1..200_usize) {
            let mut places = Places::new(LIMITS);
            let (lone, _) = places.arrive(host(1));
            for _ in 0..crowd {
                let (_, out) = places.arrive(host(2));
                prop_assert_ne!(out, Some(lone));
            }
            prop_assert!(places.greet(lone).is_ok());
        }
    }

    #[test]
    fn silence_gives_way_oldest_first_and_holds_up_no_handshake() {
        let mut places = Places::new(LIMITS);
        let (greeted, _) = places.arrive(host(1));
        assert_eq!(places.greet(greeted), Ok(None));
        let silent: Vec<Id> = (0..LIMITS.silent).map(|_| places.arrive(host(1)).0).collect();
        for oldest in &silent {
            assert_eq!(places.arrive(host(1)).1, Some(*oldest));
        }
        assert_eq!(places.greet(silent[0]), Err(NoPlace::GaveWay));
        assert_eq!(places.know(greeted, "console"), Ok(()));
    }

    #[test]
    fn who_is_slow_to_greet_is_not_the_oldest_of_those_who_greeted() {
        let mut places = Places::new(LIMITS);
        let (slow, _) = places.arrive(host(1));
        let quick: Vec<Id> = (0..LIMITS.greeted).map(|_| places.arrive(host(1)).0).collect();
        quick.iter().for_each(|id| assert_eq!(places.greet(*id), Ok(None)));
        assert_eq!(places.greet(slow), Ok(Some(quick[0])));
    }

    #[test]
    fn one_known_key_cannot_take_the_places_of_another() {
        let mut places = Places::new(LIMITS);
        let mut know = |key: &str| {
            let (id, _) = places.arrive(host(1));
            (id, places.know(id, key))
        };
        (0..LIMITS.per_key).for_each(|_| assert_eq!(know("greedy").1, Ok(())));
        assert_eq!(know("greedy").1, Err(NoPlace::Full));
        assert_eq!(know("modest").1, Ok(()));
        let (last, _) = know("modest");
        assert_eq!(know("third").1, Err(NoPlace::Full), "all places are held by known keys");
        places.leave(last);
        let (id, _) = places.arrive(host(1));
        assert_eq!(places.know(id, "third"), Ok(()));
    }

    #[test]
    fn all_addresses_of_one_network_of_version_6_are_one_source() {
        let address = |text: &str| Source::of(text.parse().expect("an address"));
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:1"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:10.0.0.1"), address("10.0.0.1"));
    }
}

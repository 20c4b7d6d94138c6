//! What gateways say to each other, and the numbers that say whose a mapping is.

use std::fmt;
use std::io;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A gateway: drawn at each start, so that one that comes back is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::lambda) struct GatewayId(u64);

/// Something said, with its number: each gateway counts what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) from: GatewayId,
    pub(super) number: u64,
    pub(super) says: Says,
}

/// What is said. A gateway of another version may know more words; those are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Says {
    /// I am here; who else is?
    Hello(Card),
    /// I am here, and this is what I can serve.
    List(Card),
    /// I am still here; my list's version.
    Beat(u64),
    /// Your list, please.
    Ask(GatewayId),
    /// I am going.
    Bye,
    /// What is kept of the mappings in Redis was changed.
    Map,
    /// Look at the function of the mapping with this UUID now.
    Again(String),
    /// Somebody looks: show yourselves. It may be no gateway that says it.
    Look,
}

/// What others know of a gateway.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Card {
    /// Counts the changes of `skills`.
    pub(super) version: u64,
    /// The number its leases are taken under.
    pub(super) holder: Option<u32>,
    pub(super) skills: Skills,
}

/// The mappings a gateway can serve, by [`key`], sorted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Skills {
    /// With a function of its own.
    pub(super) local: Vec<u64>,
    /// By invoking Lambda.
    pub(super) remote: Vec<u64>,
}

/// How well a gateway can serve a mapping; the best ones share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Skill {
    None,
    Remote,
    /// A function of its own is meant where there is one: Lambda may have another of that name.
    Local,
}

impl GatewayId {
    /// A new one. Errors: the system has no randomness.
    pub(in crate::lambda) fn random() -> io::Result<Self> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self(u64::from_ne_bytes(bytes)))
    }

    /// What `Display` wrote.
    pub(in crate::lambda) fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }

    /// How much this gateway weighs at a mapping: the heaviest one serves it, so that when one
    /// comes or goes only its own mappings move. Only this order counts, which all must see alike.
    pub(super) fn weight(self, mapping: u64) -> (u64, Self) {
        let digest = Sha256::new().chain_update(self.0.to_be_bytes());
        (first(&digest.chain_update(mapping.to_be_bytes()).finalize()), self)
    }

    #[cfg(test)]
    pub(super) const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for GatewayId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GatewayId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no gateway"))
    }
}

impl Skills {
    /// Of (UUID, whether with a function of its own) pairs.
    pub(super) fn of<'a>(mappings: impl Iterator<Item = (&'a str, bool)>) -> Self {
        let mut skills = Self::default();
        for (uuid, is_local) in mappings {
            let keys = if is_local { &mut skills.local } else { &mut skills.remote };
            keys.push(key(uuid));
        }
        skills.sorted()
    }

    /// As [`Skills::at`] needs them, whoever wrote them.
    pub(super) fn sorted(mut self) -> Self {
        self.local.sort_unstable();
        self.remote.sort_unstable();
        self
    }

    /// How well the mapping with this key can be served.
    pub(super) fn at(&self, mapping: u64) -> Skill {
        if self.local.binary_search(&mapping).is_ok() {
            Skill::Local
        } else if self.remote.binary_search(&mapping).is_ok() {
            Skill::Remote
        } else {
            Skill::None
        }
    }
}

/// What a mapping is called between gateways.
pub(super) fn key(uuid: &str) -> u64 {
    first(&Sha256::digest(uuid))
}

fn first(digest: &[u8]) -> u64 {
    digest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood_and_short() {
        let skills = Skills::of([("a", true), ("b", false)].into_iter());
        let card = Card { version: 3, holder: Some(7), skills };
        let from = GatewayId::new(0xab);
        let other = GatewayId::random().unwrap();
        for says in [
            Says::Hello(card.clone()),
            Says::List(card),
            Says::Beat(3),
            Says::Ask(other),
            Says::Bye,
            Says::Map,
            Says::Look,
            Says::Again("u".into()),
        ] {
            let message = Message { from, number: 1, says };
            let text = serde_json::to_string(&message).unwrap();
            assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message, "{text}");
        }
        let beat = Message { from, number: 5, says: Says::Beat(3) };
        let text = serde_json::to_string(&beat).unwrap();
        assert_eq!(text, r#"{"from":"00000000000000ab","number":5,"says":{"beat":3}}"#);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "",
            "{}",
            r#"{"from":"x","number":5,"says":"bye"}"#,
            r#"{"from":"ab","number":5,"says":"sing"}"#,
            r#"{"from":"ab","number":-5,"says":"bye"}"#,
        ] {
            assert!(serde_json::from_str::<Message>(bad).is_err(), "{bad}");
        }
        let more = r#"{"from":"ab","number":5,"says":{"list":{"version":1,"mood":"good"}}}"#;
        assert!(serde_json::from_str::<Message>(more).is_ok(), "a later version may say more");
    }

    #[test]
    fn a_mapping_is_served_by_a_function_of_our_own_before_lambda() {
        let skills = Skills::of([("a", true), ("b", false), ("c", false)].into_iter());
        assert_eq!(skills.at(key("a")), Skill::Local);
        assert_eq!(skills.at(key("c")), Skill::Remote);
        assert_eq!(skills.at(key("d")), Skill::None);
        assert!(Skill::Local > Skill::Remote && Skill::Remote > Skill::None);
    }

    #[test]
    fn weights_share_mappings_about_evenly_and_are_the_same_for_ever() {
        let gateways = [1, 2, 3].map(GatewayId::new);
        let mut shares = [0; 3];
        for n in 0..3_000 {
            let key = key(&format!("mapping {n}"));
            let heaviest = (0..3).max_by_key(|&i| gateways[i].weight(key)).unwrap();
            shares[heaviest] += 1;
        }
        assert!(shares.iter().all(|share| (850..1_150).contains(share)), "{shares:?}");
        // Gateways of several versions must agree.
        assert_eq!(key("a"), 0xca97_8112_ca1b_bdca);
    }
}

//! The other gateways, as far as they were heard: time is an argument here too.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::message::{Card, GatewayId, Skill};

/// After so much silence a gateway is looked for.
const MISSED: Duration = Duration::from_millis(2_500);
/// After so much silence a gateway is dead.
const SILENCE: Duration = Duration::from_millis(4_500);
/// More others than this are not looked at.
const PEERS_MAX: usize = 1_000;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Peers(BTreeMap<GatewayId, Peer>);

#[derive(Debug)]
struct Peer {
    card: Card,
    heard: Instant,
    /// It was looked for since.
    is_missed: bool,
    /// We made ourselves heard since, to judge its silence.
    is_probed: bool,
}

/// What a card changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Learned {
    /// It is one we did not know.
    New,
    /// It can serve something else than before.
    Changed,
    Nothing,
}

/// What the silence of some asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Worry {
    /// These are to be looked for.
    pub(super) missed: Vec<GatewayId>,
    /// We are to hear ourselves, for somebody may be dead.
    pub(super) probe: bool,
}

impl Peers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// It was heard.
    pub(super) fn hear(&mut self, id: GatewayId, now: Instant) {
        if let Some(peer) = self.0.get_mut(&id) {
            peer.hear(now);
        }
    }

    /// Everybody's silence is counted anew.
    pub(super) fn hear_all(&mut self, now: Instant) {
        for peer in self.0.values_mut() {
            peer.hear(now);
        }
    }

    /// It showed its card.
    pub(super) fn learn(&mut self, id: GatewayId, mut card: Card, now: Instant) -> Learned {
        card.skills = card.skills.sorted();
        if let Some(peer) = self.0.get_mut(&id) {
            let is_other = peer.card.skills != card.skills;
            peer.card = card;
            return if is_other { Learned::Changed } else { Learned::Nothing };
        }
        if self.0.len() >= PEERS_MAX {
            return Learned::Nothing;
        }
        self.0.insert(id, Peer { card, heard: now, is_missed: false, is_probed: false });
        Learned::New
    }

    /// Returns whether it was known.
    pub(super) fn remove(&mut self, id: GatewayId) -> bool {
        self.0.remove(&id).is_some()
    }

    /// The version of its list that we know.
    pub(super) fn version(&self, id: GatewayId) -> Option<u64> {
        self.0.get(&id).map(|peer| peer.card.version)
    }

    /// Whether it was looked for and not heard since.
    pub(super) fn is_missed(&self, id: GatewayId) -> bool {
        self.0.get(&id).is_some_and(|peer| peer.is_missed)
    }

    /// How each can serve the mapping, and its weight there.
    pub(super) fn ranks(&self, mapping: u64) -> impl Iterator<Item = (Skill, (u64, GatewayId))> {
        self.0.iter().map(move |(id, peer)| (peer.card.skills.at(mapping), id.weight(mapping)))
    }

    /// Those that count as dead, if we hear ourselves now.
    pub(super) fn silent(&self, now: Instant) -> Vec<GatewayId> {
        let silent = self.0.iter().filter(|(_, peer)| now >= peer.heard + SILENCE);
        silent.map(|(id, _)| *id).collect()
    }

    /// What is to be done about those who are silent; each is worried about once.
    pub(super) fn worry(&mut self, now: Instant) -> Worry {
        let mut worry = Worry::default();
        for (id, peer) in &mut self.0 {
            if !peer.is_missed && now >= peer.heard + MISSED {
                peer.is_missed = true;
                worry.missed.push(*id);
            }
            if !peer.is_probed && now >= peer.heard + SILENCE {
                peer.is_probed = true;
                worry.probe = true;
            }
        }
        worry
    }

    /// When [`Self::worry`] wants to be called.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.0.values().filter_map(Peer::timer).min()
    }
}

impl Peer {
    fn hear(&mut self, now: Instant) {
        (self.heard, self.is_missed, self.is_probed) = (now, false, false);
    }

    fn timer(&self) -> Option<Instant> {
        match self {
            Self { is_missed: false, heard, .. } => Some(*heard + MISSED),
            Self { is_probed: false, heard, .. } => Some(*heard + SILENCE),
            _ => None,
        }
    }
}

//! Which of several gateways serves which mapping.
//!
//! Each mapping belongs to one of the living gateways that can serve it, by rendezvous hashing
//! ([`message`]); who lives, [`membership`] knows; here it hears, speaks and is asked.
//!
//! Source: design §4, "Several gateways".

mod event;
mod membership;
mod message;
mod peers;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::membership::{Membership, Order};
pub(super) use self::message::GatewayId;
use self::message::{Message, Says, Skills};
use crate::queues::{Bulletin, Notice, Queues, TellError};

/// Orders that wait for Redis at most; what is said while it does not answer is soon out of date.
const ORDERS_MAX: usize = 16;
/// Mappings to be looked at that wait for the supervisor at most.
const AGAIN_MAX: usize = 100;
/// How long a gateway that stops tries to say so.
const FAREWELL: Duration = Duration::from_secs(1);

/// The gateways that are alive, as this one sees them.
#[derive(Debug)]
pub(super) struct Fleet {
    shared: Arc<Shared>,
    queues: Queues,
    tasks: Vec<JoinHandle<()>>,
}

/// What there is to do about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// [`Fleet::owns`] may answer otherwise than before.
    Owners,
    /// What is kept of the mappings in Redis may be another.
    Map,
    /// The function of the mapping with this UUID is to be looked at now.
    Again(String),
}

/// Knows whether messages may be taken now. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Licence(Arc<Shared>);

/// Knows the others, and hears it when somebody looks. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Company(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    members: Mutex<Members>,
    /// Told when the driver has something to do.
    stirred: Notify,
    /// Told when there is news.
    changed: Notify,
    /// Told when somebody looks.
    looked: Notify,
}

#[derive(Debug)]
struct Members {
    membership: Membership,
    owners_changed: bool,
    map_changed: bool,
    /// When somebody else looked last.
    looked_at: Option<Instant>,
    /// UUIDs of mappings whose functions are to be looked at now.
    again: VecDeque<String>,
}

impl Fleet {
    /// Joins the gateways of these queues. `holder` is the number leases are to be taken under.
    /// Errors: the system has no randomness.
    pub(super) fn join(queues: &Queues, holder: Option<u32>) -> io::Result<Self> {
        let id = GatewayId::random()?;
        let members = Members {
            membership: Membership::new(id, holder),
            owners_changed: false,
            map_changed: false,
            looked_at: None,
            again: VecDeque::new(),
        };
        let shared = Arc::new(Shared {
            members: Mutex::new(members),
            stirred: Notify::new(),
            changed: Notify::new(),
            looked: Notify::new(),
        });
        let bulletin = queues.bulletin(&id.to_string());
        let (orders, received) = mpsc::channel(ORDERS_MAX);
        let tasks = vec![
            tokio::spawn(drive(Arc::clone(&shared), bulletin, orders)),
            tokio::spawn(speak(Arc::clone(&shared), queues.clone(), received)),
        ];
        Ok(Self { shared, queues: queues.clone(), tasks })
    }

    /// Tells the others which mappings this one can serve: their UUIDs, and whether with a
    /// function of its own.
    pub(super) fn announce<'a>(&self, mappings: impl Iterator<Item = (&'a str, bool)>) {
        let skills = Skills::of(mappings);
        self.shared.with(|members, now| members.membership.announce(skills, now));
    }

    /// Whether this one serves the mapping with this UUID, which it has announced.
    pub(super) fn owns(&self, mapping: &str) -> bool {
        self.shared.lock().membership.owns(mapping)
    }

    /// The number to take leases under, once it is known that no other gateway has the same.
    pub(super) fn holder(&self) -> Option<u32> {
        self.shared.lock().membership.holder()
    }

    /// What those need who take messages.
    pub(super) fn licence(&self) -> Licence {
        Licence(Arc::clone(&self.shared))
    }

    /// What those need who look at all gateways.
    pub(super) fn company(&self) -> Company {
        Company(Arc::clone(&self.shared))
    }

    /// Tells the others that what is kept of the mappings in Redis was changed.
    pub(super) fn map_changed(&self) {
        self.shared.with(|members, _| members.membership.map_changed());
    }

    /// Tells the others to look at the function of the mapping with this UUID.
    pub(super) fn again(&self, uuid: &str) {
        self.shared.with(|members, _| members.membership.again(uuid));
    }

    /// Returns once there is news.
    pub(super) async fn changed(&self) -> News {
        loop {
            {
                let mut members = self.shared.lock();
                if std::mem::take(&mut members.map_changed) {
                    return News::Map;
                }
                if std::mem::take(&mut members.owners_changed) {
                    return News::Owners;
                }
                if let Some(uuid) = members.again.pop_front() {
                    return News::Again(uuid);
                }
            }
            self.shared.changed.notified().await;
        }
    }

    /// Gives up all mappings, for others to take them at once.
    pub(super) async fn leave(&self) {
        let bye = self.shared.with(|members, _| members.membership.leave());
        // Otherwise the others notice in a while.
        let _told = timeout(FAREWELL, self.queues.tell(&text(&bye))).await;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Licence {
    /// Whether messages may be taken: not after a sleep that nobody has noticed yet, during which
    /// another gateway may have taken over.
    pub(super) fn holds(&self) -> bool {
        !self.0.lock().membership.is_asleep(Instant::now())
    }
}

impl Company {
    /// What this gateway is called.
    pub(super) fn id(&self) -> GatewayId {
        self.0.lock().membership.id()
    }

    /// How many others live.
    pub(crate) fn others(&self) -> usize {
        self.0.lock().membership.others()
    }

    /// Returns once somebody looks.
    pub(super) async fn asked(&self) {
        self.0.looked.notified().await;
    }

    /// Whether somebody has looked within this time.
    pub(super) fn was_asked_within(&self, time: Duration) -> bool {
        self.0.lock().looked_at.is_some_and(|at| at.elapsed() < time)
    }
}

/// Has all gateways show themselves for a while. `from` is who asks.
pub(super) async fn look(queues: &Queues, from: GatewayId) -> Result<(), TellError> {
    queues.tell(&text(&Message { from, number: 0, says: Says::Look })).await.map(|_| ())
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Members> {
        // No change leaves the membership half done, so a panic elsewhere does not spoil it.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes them, and lets the driver see to what follows.
    fn with<T>(&self, change: impl FnOnce(&mut Members, Instant) -> T) -> T {
        let result = self.change(change);
        self.stirred.notify_one();
        result
    }

    fn change<T>(&self, change: impl FnOnce(&mut Members, Instant) -> T) -> T {
        let (result, news, looked) = {
            let mut members = self.lock();
            let before = members.looked_at;
            let result = change(&mut members, Instant::now());
            members.owners_changed |= members.membership.take_changed();
            let has_again = !members.again.is_empty();
            let news = members.owners_changed || members.map_changed || has_again;
            (result, news, members.looked_at != before)
        };
        if looked {
            self.looked.notify_one();
        }
        if news {
            self.changed.notify_one();
        }
        result
    }
}

impl Members {
    fn take(&mut self, notice: Notice, now: Instant) {
        match notice {
            Notice::Said(payload) => match serde_json::from_slice::<Message>(&payload) {
                Ok(Message { from, says: Says::Look, .. }) => {
                    // Who looks itself knows itself.
                    if from != self.membership.id() {
                        self.looked_at = Some(now);
                    }
                }
                Ok(Message { from, says: Says::Again(uuid), .. }) => {
                    let is_new = from != self.membership.id() && !self.again.contains(&uuid);
                    if is_new && self.again.len() < AGAIN_MAX {
                        self.again.push_back(uuid);
                    }
                }
                Ok(message) => {
                    self.map_changed |= self.membership.is_map_of_another(&message);
                    self.membership.heard(message, now);
                }
                Err(error) => tracing::debug!(%error, "a gateway's word nobody understands"),
            },
            Notice::Subscribed => {
                self.membership.subscribed(now);
                // That it was changed may have been said while nobody listened.
                self.map_changed = true;
            }
            Notice::Deaf(why) => self.membership.deaf(why, now),
            Notice::Away => self.membership.away(),
        }
    }
}

/// Brings the membership what is heard and what time it is, and hands on its orders, for ever.
async fn drive(shared: Arc<Shared>, mut bulletin: Bulletin, orders: mpsc::Sender<Order>) {
    loop {
        let timer = shared.change(|members, now| {
            let membership = &mut members.membership;
            membership.advance(now);
            for order in membership.take_orders() {
                // While Redis does not answer, what is said to it would come too late.
                let _dropped = orders.try_send(order);
            }
            for event in membership.take_events() {
                event.tell(membership.others());
            }
            membership.next_timer()
        });
        let due = async {
            match timer {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            notice = bulletin.next() => shared.change(|members, now| members.take(notice, now)),
            () = due => {}
            () = shared.stirred.notified() => {}
        }
    }
}

/// Carries out orders, one after the other, for ever.
async fn speak(shared: Arc<Shared>, queues: Queues, mut orders: mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Tell(message) => match queues.tell(&text(&message)).await {
                Ok(listeners) => {
                    shared.with(|members, _| members.membership.told(message.number, listeners));
                }
                Err(TellError::Forbidden(why)) => {
                    shared.with(|members, _| members.membership.muted(why));
                }
                // It is said again, or Redis is away.
                Err(TellError::Failed(error)) => tracing::debug!(%error, "gateways were not told"),
            },
            Order::LookFor(ids) => {
                let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
                // Without an answer their silence tells.
                if let Ok(absent) = queues.absent(&names).await {
                    let absent: Vec<_> =
                        absent.iter().filter_map(|name| GatewayId::parse(name)).collect();
                    shared.with(|members, _| members.membership.absent(&absent));
                }
            }
        }
    }
}

fn text(message: &Message) -> String {
    // Numbers and names: it does not fail.
    serde_json::to_string(message).unwrap_or_default()
}

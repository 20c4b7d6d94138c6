//! Wrong passwords are slowed down.
//!
//! Three attempts are free, as people mistype; each further one from the same address waits twice
//! as long as the one before, up to 8 s. All addresses together have 60 attempts, and then one
//! every half second. So that nobody can keep the owner out by trying all the time, a browser that
//! somebody has signed in with stands in a line of its own, which only its own attempts make long.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::HeaderMap;

/// Attempts of one line that need not wait.
const FREE: u32 = 3;
/// How long the first one waits that has to.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest pause between two attempts of one line.
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// Who would have to wait longer than this is told to come again later.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Attempts that wait at the same time, of all lines; each holds a connection.
const WAITING_MAX: usize = 32;
/// Lines remembered; then those go that were quiet for longest.
const LINES_MAX: usize = 1_024;
/// When a line is forgotten that was quiet.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(15);
/// How often all strange addresses together may try in the long run.
const SHARED_PAUSE: Duration = Duration::from_millis(500);
/// How many attempts of theirs may come at once.
const SHARED_BURST: u32 = 60;
/// The header in which a proxy says whom it speaks for.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Whose attempts are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// Those from one address, or one /64 of IPv6.
    Address(IpAddr),
    /// Those of a browser somebody has signed in with: the id in its cookie.
    Browser(String),
}

impl Who {
    /// Who comes from this address. A proxy beside us (on this machine or a private network) speaks
    /// for others, of whom it names the last.
    pub(crate) fn at(peer: IpAddr, headers: &HeaderMap) -> Self {
        let peer = peer.to_canonical();
        let is_near = match peer {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
        };
        let named = headers.get_all(FORWARDED_FOR).into_iter().next_back();
        let named = named.and_then(|value| value.to_str().ok()?.rsplit(',').next());
        let named = named.and_then(|address| address.trim().parse::<IpAddr>().ok());
        let address = named.filter(|_| is_near).map_or(peer, |address| address.to_canonical());
        Self::Address(match address {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// All attempts of late.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    of: HashMap<Who, Line>,
    /// When the shared line would be empty.
    shared: Option<Instant>,
    waiting: usize,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    attempts: u32,
    /// When the next one may be.
    free_at: Instant,
}

/// A place in the line, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    attempts: Attempts,
    who: Who,
    /// How long to wait before the password is looked at.
    pub(crate) wait: Duration,
}

impl Attempts {
    /// A place for an attempt. Errors: in how long to try again.
    pub(crate) fn admit(&self, who: Who, now: Instant) -> Result<Place, Duration> {
        let wait = self.lines().admit(&who, now)?;
        Ok(Place { attempts: self.clone(), who, wait })
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The password was right: nothing is held against them any more.
    pub(crate) fn succeeded(&self) {
        self.attempts.lines().of.remove(&self.who);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.attempts.lines();
        lines.waiting = lines.waiting.saturating_sub(1);
    }
}

impl Lines {
    fn admit(&mut self, who: &Who, now: Instant) -> Result<Duration, Duration> {
        if self.waiting >= WAITING_MAX {
            return Err(PAUSE_MAX);
        }
        self.of.retain(|_, line| now < line.free_at + FORGOTTEN_AFTER);
        let line = self.of.get(who).copied().unwrap_or(Line { attempts: 0, free_at: now });
        let mut start = line.free_at.max(now);
        let is_strange = matches!(who, Who::Address(_));
        let shared = self.shared.unwrap_or(now).max(now);
        if is_strange {
            let burst = SHARED_PAUSE * SHARED_BURST;
            start = start.max(shared.checked_sub(burst).unwrap_or(now));
        }
        let wait = start.saturating_duration_since(now);
        if wait > WAIT_MAX {
            return Err(wait);
        }
        if is_strange {
            self.shared = Some(shared + SHARED_PAUSE);
        }
        // Counted before it is known whether it was right, or a hundred at once would be free.
        let attempts = line.attempts.saturating_add(1);
        self.make_room();
        self.of.insert(who.clone(), Line { attempts, free_at: start + pause(attempts) });
        self.waiting += 1;
        Ok(wait)
    }

    fn make_room(&mut self) {
        if self.of.len() >= LINES_MAX {
            let quiet = self.of.iter().min_by_key(|(_, line)| line.free_at);
            let quiet = quiet.map(|(who, _)| who.clone());
            quiet.and_then(|who| self.of.remove(&who));
        }
    }
}

/// How long after so many attempts the next one has to wait.
fn pause(attempts: u32) -> Duration {
    match attempts.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(over) => PAUSE_MIN.saturating_mul(1 << over.min(16)).min(PAUSE_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Who {
        Who::at(text.parse().unwrap(), &HeaderMap::new())
    }

    #[test]
    fn each_attempt_after_the_third_waits_twice_as_long() {
        let (attempts, mut now) = (Attempts::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..11 {
            let place = attempts.admit(address("192.0.2.1"), now).unwrap();
            waits.push(place.wait.as_millis());
            now += place.wait;
        }
        assert_eq!(waits, [0, 0, 0, 250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
        assert_eq!(attempts.admit(address("192.0.2.2"), now).unwrap().wait, Duration::ZERO);
        let place = attempts.admit(address("192.0.2.1"), now).unwrap();
        place.succeeded();
        drop(place);
        assert_eq!(attempts.admit(address("192.0.2.1"), now).unwrap().wait, Duration::ZERO);
    }

    #[test]
    fn what_comes_at_once_is_refused_and_not_kept_waiting() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let admitted: Vec<_> = (0..100).map(|_| attempts.admit(address("::1"), now)).collect();
        let places = admitted.iter().filter(|admitted| admitted.is_ok()).count();
        assert!((3..10).contains(&places), "{places}");
        assert!(matches!(admitted.last(), Some(Err(again)) if *again <= PAUSE_MAX * 2 + WAIT_MAX));
    }

    #[test]
    fn many_addresses_together_are_slowed_and_a_known_browser_is_not() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let mut refused = 0;
        for number in 0..10_000_u32 {
            let who = Who::Address(IpAddr::from(number.to_be_bytes()));
            refused += u32::from(attempts.admit(who, now).is_err());
        }
        assert!(refused > 9_900, "{refused}");
        assert!(attempts.lines().of.len() <= LINES_MAX);
        let place = attempts.admit(Who::Browser("id".to_owned()), now).unwrap();
        assert_eq!(place.wait, Duration::ZERO);
        let later = now + Duration::from_mins(1);
        assert_eq!(attempts.admit(address("192.0.2.9"), later).unwrap().wait, Duration::ZERO);
    }

    #[test]
    fn few_wait_at_a_time_and_leave_their_place() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let browser = |number: usize| Who::Browser(number.to_string());
        let places: Vec<_> = (0..WAITING_MAX).map(|n| attempts.admit(browser(n), now)).collect();
        assert!(places.iter().all(Result::is_ok));
        assert!(attempts.admit(browser(99), now).is_err());
        drop(places);
        assert!(attempts.admit(browser(99), now).is_ok());
        assert_eq!(attempts.lines().waiting, 0);
    }

    #[test]
    fn a_proxy_beside_us_speaks_for_others() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, "203.0.113.9, 198.51.100.7".parse().unwrap());
        let at = |peer: &str| Who::at(peer.parse().unwrap(), &headers);
        assert_eq!(at("127.0.0.1"), address("198.51.100.7"));
        assert_eq!(at("::ffff:10.0.0.3"), address("198.51.100.7"));
        assert_eq!(at("203.0.113.1"), address("203.0.113.1"));
        assert_eq!(address("2001:db8::1"), address("2001:db8::2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
    }
}

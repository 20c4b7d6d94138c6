//! How many invocations may run at a time: of one mapping, and of one function.
//!
//! A permit is taken before messages are, so that nothing lies invisible in wait for one.
//!
//! Source: esm-contract §4; §11, traps 5 and 19.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::oneshot;

/// Lets so many in at a time; who waits comes in in the order of arrival.
#[derive(Debug)]
pub(super) struct Gate(Mutex<GateState>);

#[derive(Debug)]
struct GateState {
    limit: u32,
    taken: u32,
    /// Whose [`AdaptiveLimit`] it obeys: the newest one's.
    tuner: u64,
    /// Nobody waits while there is room.
    waiting: VecDeque<oneshot::Sender<Permit>>,
}

/// A place behind a gate; free again once it is dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<Gate>);

impl Gate {
    fn new(limit: u32) -> Arc<Self> {
        Arc::new(Self(Mutex::new(GateState {
            limit,
            taken: 0,
            tuner: 0,
            waiting: VecDeque::new(),
        })))
    }

    /// How many it lets in.
    pub(super) fn limit(&self) -> u32 {
        self.state().limit
    }

    /// Another limit. Below what is taken, nobody comes in until enough have left.
    fn set_limit(self: &Arc<Self>, limit: u32) {
        self.state().limit = limit;
        self.serve();
    }

    /// Another limit, unless somebody newer has the say.
    fn tune(self: &Arc<Self>, tuner: u64, limit: u32) {
        if self.state().tuner == tuner {
            self.set_limit(limit);
        }
    }

    /// A permit, once it is the caller's turn. Dropping the future costs nobody anything.
    pub(super) async fn acquire(self: &Arc<Self>) -> Permit {
        loop {
            let turn = {
                let mut state = self.state();
                if state.taken < state.limit {
                    state.taken += 1;
                    return Permit(Arc::clone(self));
                }
                let (sender, turn) = oneshot::channel();
                state.waiting.retain(|waiting| !waiting.is_closed());
                state.waiting.push_back(sender);
                turn
            };
            // A sender is never dropped unsent while we hold the gate.
            if let Ok(permit) = turn.await {
                return permit;
            }
        }
    }

    /// Lets in those for whom there is room.
    fn serve(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = self.state();
                if state.taken >= state.limit {
                    return;
                }
                let Some(next) = state.waiting.pop_front() else { return };
                state.taken += 1;
                next
            };
            // Of one who has left the permit comes back at once: never with the lock held.
            let _left = next.send(Permit(Arc::clone(self)));
        }
    }

    fn state(&self) -> MutexGuard<'_, GateState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.taken -= 1;
        let somebody_waits = !state.waiting.is_empty();
        drop(state);
        if somebody_waits {
            self.0.serve();
        }
    }
}

/// The limit of a mapping: a throttle halves it, successes let it grow again, by one for as many
/// as it is high.
#[derive(Debug)]
pub(super) struct AdaptiveLimit {
    gate: Arc<Gate>,
    number: u64,
    max: u32,
    tuning: Mutex<Tuning>,
}

#[derive(Debug)]
struct Tuning {
    limit: u32,
    successes: u32,
    lowered: Option<Instant>,
}

impl AdaptiveLimit {
    /// Moves the gate's limit between 1 and what it is now. A gate's earlier one, of a mapping that
    /// was replaced and whose last invocations still end, has no say any more.
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        let (number, max) = {
            let mut state = gate.state();
            state.tuner += 1;
            (state.tuner, state.limit)
        };
        let tuning = Tuning { limit: max, successes: 0, lowered: None };
        Self { gate, number, max, tuning: Mutex::new(tuning) }
    }

    /// A function took its event.
    pub(super) fn succeeded(&self) {
        let mut tuning = self.tuning();
        if tuning.limit >= self.max {
            return;
        }
        tuning.successes += 1;
        if tuning.successes >= tuning.limit {
            tuning.successes = 0;
            tuning.limit += 1;
            self.gate.tune(self.number, tuning.limit);
        }
    }

    /// An invocation that began at `begun` was throttled. Those that ran when the limit was
    /// lowered do not lower it again.
    pub(super) fn throttled(&self, begun: Instant) {
        let mut tuning = self.tuning();
        if tuning.lowered.is_some_and(|lowered| begun <= lowered) {
            return;
        }
        tuning.lowered = Some(Instant::now());
        tuning.successes = 0;
        tuning.limit = (tuning.limit / 2).max(1);
        self.gate.tune(self.number, tuning.limit);
    }

    /// What it is now.
    #[cfg(test)]
    pub(super) fn limit(&self) -> u32 {
        self.tuning().limit
    }

    fn tuning(&self) -> MutexGuard<'_, Tuning> {
        self.tuning.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The limits of one mapping's invocations.
#[derive(Debug)]
pub(super) struct Limits {
    /// The mapping's own.
    pub(super) mapping: AdaptiveLimit,
    /// What all mappings of its function share.
    pub(super) function: Arc<Gate>,
}

/// What one invocation holds while it runs.
#[derive(Debug)]
pub(super) struct Permits {
    _mapping: Permit,
    /// `None`: somebody else may have it.
    function: Option<Permit>,
}

impl Limits {
    /// Whether the function may not run at all.
    pub(super) fn is_switched_off(&self) -> bool {
        self.function.state().limit == 0
    }

    /// A permit of the mapping. Nobody else waits for one, so it can be held in wait for messages.
    pub(super) async fn mapping_permit(&self) -> Permit {
        self.mapping.gate.acquire().await
    }

    /// The function's again, after it was lent.
    pub(super) async fn regain(&self, permits: &mut Permits) {
        permits.function = Some(self.function_permit().await);
    }

    /// The function's, for which others wait, too.
    pub(super) async fn function_permit(&self) -> Permit {
        self.function.acquire().await
    }
}

impl Permits {
    pub(super) fn new(mapping: Permit, function: Permit) -> Self {
        Self { _mapping: mapping, function: Some(function) }
    }

    /// Whether somebody else may have the function.
    pub(super) fn are_lent(&self) -> bool {
        self.function.is_none()
    }

    /// Leaves the function to others for a while.
    pub(super) fn lend(&mut self) {
        self.function = None;
    }
}

/// Gates that several share, by name: mappings of one function its own, and a mapping's with the
/// one it replaces, whose last invocations still run.
#[derive(Debug, Default)]
pub(super) struct Gates(HashMap<String, Weak<Gate>>);

impl Gates {
    /// The gate of this name, which has this limit from now on.
    pub(super) fn named(&mut self, name: &str, limit: u32) -> Arc<Gate> {
        self.0.retain(|_, gate| gate.strong_count() > 0);
        if let Some(gate) = self.0.get(name).and_then(Weak::upgrade) {
            gate.set_limit(limit);
            return gate;
        }
        let gate = Gate::new(limit);
        self.0.insert(name.to_owned(), Arc::downgrade(&gate));
        gate
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// What the future says now, without waiting for it.
    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    async fn permits(limits: &Limits) -> Permits {
        Permits::new(limits.mapping_permit().await, limits.function_permit().await)
    }

    fn try_acquire(gate: &Arc<Gate>) -> Option<Permit> {
        match poll(pin!(gate.acquire())) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    #[test]
    fn as_many_come_in_as_the_limit_says_and_the_next_when_one_leaves() {
        let gate = Gate::new(2);
        let first = try_acquire(&gate).unwrap();
        let _second = try_acquire(&gate).unwrap();
        assert!(try_acquire(&gate).is_none());
        drop(first);
        let _third = try_acquire(&gate).unwrap();
        assert!(try_acquire(&gate).is_none());
    }

    #[test]
    fn who_waits_comes_in_in_the_order_of_arrival_and_before_who_comes_later() {
        let gate = Gate::new(1);
        let inside = try_acquire(&gate).unwrap();
        let (mut first, mut second) = (pin!(gate.acquire()), pin!(gate.acquire()));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        drop(inside);
        assert!(try_acquire(&gate).is_none(), "it is the first one's turn");
        assert!(poll(second.as_mut()).is_pending());
        let Poll::Ready(permit) = poll(first.as_mut()) else { panic!("it was its turn") };
        drop(permit);
        assert!(poll(second.as_mut()).is_ready());
    }

    #[test]
    fn one_who_gives_up_waiting_passes_its_turn_on() {
        let gate = Gate::new(1);
        let inside = try_acquire(&gate).unwrap();
        let mut patient = pin!(gate.acquire());
        {
            let mut before = pin!(gate.acquire());
            let mut served = Box::pin(gate.acquire());
            assert!(poll(before.as_mut()).is_pending() && poll(served.as_mut()).is_pending());
            assert!(poll(patient.as_mut()).is_pending());
            drop(inside);
            // Its permit lies ready, and it goes without it.
            assert!(poll(served.as_mut()).is_pending());
        }
        assert!(poll(patient.as_mut()).is_ready());
    }

    #[test]
    fn a_lower_limit_lets_nobody_in_until_enough_have_left_a_higher_one_at_once() {
        let gate = Gate::new(3);
        let mut inside: Vec<Permit> = (0..3).filter_map(|_| try_acquire(&gate)).collect();
        gate.set_limit(1);
        inside.truncate(1);
        let mut waiting = pin!(gate.acquire());
        assert!(poll(waiting.as_mut()).is_pending());
        gate.set_limit(2);
        assert!(poll(waiting.as_mut()).is_ready());
    }

    #[test]
    fn a_throttle_halves_the_limit_once_and_successes_bring_it_back() {
        let limit = AdaptiveLimit::new(Gate::new(8));
        let begun = Instant::now();
        limit.throttled(begun);
        limit.throttled(begun);
        assert_eq!(limit.limit(), 4, "both ran at the same time");
        for _ in 0..3 {
            limit.succeeded();
        }
        assert_eq!(limit.limit(), 4);
        limit.succeeded();
        assert_eq!(limit.limit(), 5);
        for _ in 0..5 + 6 + 7 + 100 {
            limit.succeeded();
        }
        assert_eq!(limit.limit(), 8, "never above the maximum");
        for _ in 0..10 {
            limit.throttled(Instant::now() + std::time::Duration::from_secs(1));
        }
        assert_eq!(limit.limit(), 1, "never below one");
    }

    #[test]
    fn a_mapping_that_was_replaced_has_no_say_in_its_successors_limit() {
        let mut mappings = Gates::default();
        let old = AdaptiveLimit::new(mappings.named("m", 8));
        old.throttled(Instant::now());
        let new = AdaptiveLimit::new(mappings.named("m", 2));
        for _ in 0..4 {
            old.succeeded();
        }
        assert_eq!((old.limit(), new.gate.state().limit), (5, 2), "never above the maximum");
        old.throttled(Instant::now() + std::time::Duration::from_secs(1));
        assert_eq!(new.gate.state().limit, 2, "the new one would not raise it again");
        new.throttled(Instant::now());
        assert_eq!(new.gate.state().limit, 1);
    }

    #[test]
    fn mappings_of_one_function_share_its_gate_and_lend_it_while_they_wait() {
        let mut functions = Gates::default();
        let limits = |functions: &mut Gates| Limits {
            mapping: AdaptiveLimit::new(Gate::new(5)),
            function: functions.named("f", 1),
        };
        let (one, other) = (limits(&mut functions), limits(&mut functions));
        let Poll::Ready(mut first) = poll(pin!(permits(&one))) else { panic!("it is free") };
        let mut second = pin!(permits(&other));
        assert!(poll(second.as_mut()).is_pending());
        first.lend();
        let Poll::Ready(second) = poll(second.as_mut()) else { panic!("it was lent") };
        assert!(poll(pin!(one.regain(&mut first))).is_pending());
        drop(second);
        assert!(poll(pin!(one.regain(&mut first))).is_ready());
        assert!(poll(pin!(permits(&other))).is_pending());
    }

    #[test]
    fn a_functions_gate_takes_on_its_newest_limit_and_others_have_their_own() {
        let mut functions = Gates::default();
        let gate = functions.named("f", 1);
        let _permit = try_acquire(&gate).unwrap();
        assert!(try_acquire(&functions.named("f", 1)).is_none());
        assert!(try_acquire(&functions.named("g", 1)).is_some());
        assert!(try_acquire(&functions.named("f", 2)).is_some());
    }

    #[test]
    fn a_function_that_is_switched_off_lets_nobody_in_until_it_is_on_again() {
        let mut functions = Gates::default();
        let mapping = AdaptiveLimit::new(Gate::new(5));
        let limits = Limits { mapping, function: functions.named("f", 0) };
        assert!(limits.is_switched_off());
        let mut waiting = pin!(limits.function_permit());
        assert!(poll(waiting.as_mut()).is_pending());
        functions.named("f", u32::MAX);
        assert!(!limits.is_switched_off() && poll(waiting.as_mut()).is_ready());
    }

    #[tokio::test]
    async fn many_tasks_share_few_permits_and_none_is_forgotten() {
        let gate = Gate::new(3);
        let running = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..200u32 {
            let (gate, running) = (Arc::clone(&gate), Arc::clone(&running));
            tasks.spawn(async move {
                let order = std::sync::atomic::Ordering::SeqCst;
                let permit = gate.acquire().await;
                assert!(running.fetch_add(1, order) < 3);
                tokio::task::yield_now().await;
                running.fetch_sub(1, order);
                drop(permit);
                // Some leave while they wait.
                if number.is_multiple_of(3) {
                    let _left = poll(pin!(gate.acquire()));
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        assert_eq!(gate.state().taken, 0);
    }
}

//! Several memberships and a Redis between them that hands on what is said, at once and in order.

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MAPPINGS: usize = 20;

/// Gateways 0.., and what stands between them.
struct World {
    start: Instant,
    now: Instant,
    gateways: Vec<Node>,
    /// How many commands there were.
    commands: u64,
    /// Redis answers nobody; what is said meanwhile is said once it does again.
    stalled: bool,
    held: Vec<(usize, Order)>,
}

struct Node {
    membership: Membership,
    state: State,
    /// What came in while it was stopped.
    unread: Vec<Message>,
    events: Vec<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Running,
    /// Its subscription stays.
    Stopped,
    /// It runs and speaks, and its subscription is gone.
    Unsubscribed,
    Killed,
}

impl World {
    /// So many gateways that have not begun, which can all serve the mappings `m0`, `m1` ….
    fn new(count: u64) -> Self {
        let now = Instant::now();
        let node = |n| Node {
            membership: Membership::new(GatewayId::new(n), None),
            state: State::Unsubscribed,
            unread: Vec::new(),
            events: Vec::new(),
        };
        let gateways = (0..count).map(node).collect();
        let mut world =
            Self { start: now, now, gateways, commands: 0, stalled: false, held: Vec::new() };
        for gateway in 0..world.gateways.len() {
            let skills = Skills::of(names().iter().map(|name| (name.as_str(), false)));
            world.at(gateway).announce(skills, now);
        }
        world
    }

    /// The same, all subscribed and at rest.
    fn settled(count: u64) -> Self {
        let mut world = Self::new(count);
        for gateway in 0..world.gateways.len() {
            world.subscribe(gateway);
        }
        world.pass(SECOND);
        world.assert_shared(&(0..world.gateways.len()).collect::<Vec<_>>());
        world
    }

    fn at(&mut self, gateway: usize) -> &mut Membership {
        &mut self.gateways[gateway].membership
    }

    fn subscribe(&mut self, gateway: usize) {
        self.gateways[gateway].state = State::Running;
        let now = self.now;
        self.at(gateway).subscribed(now);
        self.deliver();
    }

    fn unsubscribe(&mut self, gateway: usize) {
        self.gateways[gateway].state = State::Unsubscribed;
        let now = self.now;
        self.at(gateway).deaf("it was closed".to_owned(), now);
        self.deliver();
    }

    fn stop(&mut self, gateway: usize) {
        self.gateways[gateway].state = State::Stopped;
    }

    fn kill(&mut self, gateway: usize) {
        self.gateways[gateway].state = State::Killed;
    }

    fn go_on(&mut self, gateway: usize) {
        self.gateways[gateway].state = State::Running;
        let now = self.now;
        for message in std::mem::take(&mut self.gateways[gateway].unread) {
            self.at(gateway).heard(message, now);
        }
        self.deliver();
    }

    fn resume_redis(&mut self) {
        self.stalled = false;
        for (from, order) in std::mem::take(&mut self.held) {
            self.carry_out(from, order);
        }
        self.deliver();
    }

    /// Lets time pass, in steps of at most 10 ms.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += 10 * MS;
            let now = self.now;
            for node in &mut self.gateways {
                let runs = matches!(node.state, State::Running | State::Unsubscribed);
                if runs && node.membership.next_timer().is_some_and(|at| at <= now) {
                    node.membership.advance(now);
                    let again = node.membership.next_timer();
                    assert!(again.is_none_or(|at| at > now), "it would be called for ever");
                }
            }
            self.deliver();
        }
    }

    /// Carries out orders until there are none.
    fn deliver(&mut self) {
        loop {
            let mut orders = Vec::new();
            for (from, node) in self.gateways.iter_mut().enumerate() {
                orders.extend(node.membership.take_orders().into_iter().map(|o| (from, o)));
                node.events.extend(node.membership.take_events());
            }
            if orders.is_empty() {
                return;
            }
            for (from, order) in orders {
                self.carry_out(from, order);
            }
        }
    }

    fn carry_out(&mut self, from: usize, order: Order) {
        if self.stalled {
            self.held.push((from, order));
            return;
        }
        self.commands += 1;
        let now = self.now;
        match order {
            Order::Tell(message) => {
                let mut listeners = 0;
                for node in &mut self.gateways {
                    match node.state {
                        State::Running => node.membership.heard(message.clone(), now),
                        State::Stopped => node.unread.push(message.clone()),
                        State::Unsubscribed | State::Killed => continue,
                    }
                    listeners += 1;
                }
                self.at(from).told(message.number, listeners);
            }
            Order::LookFor(ids) => {
                let is_absent = |id: &GatewayId| {
                    let node = self.gateways.iter().find(|node| node.membership.id == *id);
                    node.is_none_or(|n| matches!(n.state, State::Killed | State::Unsubscribed))
                };
                let absent: Vec<GatewayId> = ids.into_iter().filter(is_absent).collect();
                self.at(from).absent(&absent);
            }
        }
    }

    fn owned(&self, gateway: usize) -> usize {
        let membership = &self.gateways[gateway].membership;
        names().iter().filter(|name| membership.owns(name)).count()
    }

    /// Each mapping has one owner among these, each of these has some, and the others have none.
    #[track_caller]
    fn assert_shared(&self, gateways: &[usize]) {
        for name in names() {
            let owners = gateways.iter().filter(|g| self.gateways[**g].membership.owns(&name));
            assert_eq!(owners.count(), 1, "{name} after {:?}", self.now - self.start);
        }
        assert!(gateways.iter().all(|gateway| self.owned(*gateway) > 0));
    }

    /// How long it takes until these share all mappings.
    #[track_caller]
    fn time_until_shared(&mut self, gateways: &[usize]) -> Duration {
        let start = self.now;
        while gateways.iter().map(|gateway| self.owned(*gateway)).sum::<usize>() != names().len() {
            self.pass(10 * MS);
            assert!(self.now - start < 20 * SECOND, "never shared");
        }
        self.assert_shared(gateways);
        self.now - start
    }

    fn events(&mut self, gateway: usize) -> Vec<Event> {
        std::mem::take(&mut self.gateways[gateway].events)
    }
}

fn names() -> Vec<String> {
    (0..MAPPINGS).map(|n| format!("m{n}")).collect()
}

#[test]
fn one_alone_serves_all_at_once_and_says_nothing_more() {
    let mut world = World::new(1);
    assert_eq!(world.owned(0), 0, "nothing is known yet");
    world.subscribe(0);
    assert_eq!(world.owned(0), MAPPINGS);
    let commands = world.commands;
    assert_eq!(commands, 1, "a hello that one heard");
    world.pass(300 * SECOND);
    assert_eq!(world.commands, commands);
    let timer = world.at(0).next_timer();
    assert_eq!(timer, None, "it is not even woken");
}

#[test]
fn those_who_come_share_at_once_and_say_30_beats_a_minute() {
    let mut world = World::new(3);
    world.subscribe(0);
    world.pass(SECOND);
    world.subscribe(1);
    world.pass(10 * MS);
    world.assert_shared(&[0, 1]);
    world.subscribe(2);
    world.pass(200 * MS);
    world.assert_shared(&[0, 1, 2]);
    world.pass(10 * SECOND);
    let commands = world.commands;
    world.pass(60 * SECOND);
    world.assert_shared(&[0, 1, 2]);
    assert_eq!(world.commands - commands, 90);
}

#[test]
fn when_one_goes_only_its_own_mappings_move() {
    let mut world = World::settled(3);
    let of_first = |world: &World| -> Vec<String> {
        let first = &world.gateways[0].membership;
        names().into_iter().filter(|name| first.owns(name)).collect()
    };
    let before = of_first(&world);
    let bye = world.at(2).leave();
    assert_eq!(world.owned(2), 0);
    world.carry_out(2, Order::Tell(bye));
    world.deliver();
    world.assert_shared(&[0, 1]);
    let after = of_first(&world);
    assert!(before.iter().all(|name| after.contains(name)));
    assert!(world.events(0).contains(&Event::Left(GatewayId::new(2), Leaving::Bye)));
    world.pass(60 * SECOND);
    assert_eq!(world.owned(2), 0, "one who has left stays away");
    world.assert_shared(&[0, 1]);
}

#[test]
fn a_killed_one_is_replaced_within_three_seconds() {
    for offset in 0..7 {
        let mut world = World::settled(3);
        world.pass(offset * 300 * MS);
        world.kill(1);
        let time = world.time_until_shared(&[0, 2]);
        assert!(time <= 3 * SECOND, "{time:?}");
        assert!(world.events(0).contains(&Event::Left(GatewayId::new(1), Leaving::Closed)));
    }
}

#[test]
fn a_stopped_one_is_replaced_within_five_seconds_and_learns_who_lives_when_it_goes_on() {
    for offset in 0..7 {
        let mut world = World::settled(3);
        world.pass(offset * 300 * MS);
        world.stop(1);
        let time = world.time_until_shared(&[0, 2]);
        assert!(time > 2 * SECOND && time <= 5 * SECOND, "{time:?}");
        assert!(world.events(2).contains(&Event::Left(GatewayId::new(1), Leaving::Silent)));
        world.pass((10 * SECOND).saturating_sub(time));
        let now = world.now;
        assert!(world.at(1).is_asleep(now), "nothing is taken before it has looked");
        // What it had not read yet is old: by it, it knows nobody, and owns nothing.
        world.gateways[1].state = State::Running;
        for message in std::mem::take(&mut world.gateways[1].unread) {
            world.at(1).heard(message, now);
            assert_eq!(world.owned(1), 0);
        }
        assert!(!world.at(1).is_asleep(now));
        world.deliver();
        world.pass(200 * MS);
        world.assert_shared(&[0, 1, 2]);
        assert!(world.events(1).contains(&Event::Slept));
    }
}

#[test]
fn one_that_goes_on_alone_after_the_others_died_serves_all() {
    let mut world = World::settled(2);
    world.stop(0);
    world.pass(SECOND);
    world.kill(1);
    world.pass(10 * SECOND);
    world.go_on(0);
    world.pass(1_200 * MS);
    assert_eq!(world.owned(0), MAPPINGS);
}

#[test]
fn when_redis_stalls_nobody_takes_anybody_for_dead() {
    for seconds in [2, 4, 5, 11] {
        let mut world = World::settled(3);
        (0..3).for_each(|gateway| drop(world.events(gateway)));
        world.stalled = true;
        world.pass(seconds * SECOND);
        world.resume_redis();
        for _ in 0..60 {
            world.pass(50 * MS);
            world.assert_shared(&[0, 1, 2]);
        }
        for gateway in 0..3 {
            assert_eq!(world.events(gateway), [], "{seconds} s");
        }
    }
}

#[test]
fn when_redis_was_away_all_stay_what_they_were() {
    let mut world = World::settled(3);
    for gateway in 0..3 {
        world.gateways[gateway].state = State::Unsubscribed;
        world.at(gateway).away();
    }
    world.pass(60 * SECOND);
    world.assert_shared(&[0, 1, 2]);
    world.kill(2);
    // They come back one after the other.
    world.subscribe(0);
    world.pass(SECOND);
    world.subscribe(1);
    let time = world.time_until_shared(&[0, 1]);
    assert!(time < 5 * SECOND, "{time:?}");
}

#[test]
fn a_lost_subscription_changes_nothing_when_it_is_soon_back() {
    let mut world = World::settled(3);
    world.unsubscribe(1);
    world.pass(20 * MS);
    world.assert_shared(&[0, 1, 2]);
    world.subscribe(1);
    world.pass(30 * SECOND);
    world.assert_shared(&[0, 1, 2]);
    for gateway in 0..3 {
        assert!(!world.events(gateway).iter().any(|event| matches!(event, Event::Left(..))));
    }
}

#[test]
fn one_who_may_not_listen_or_speak_serves_all_as_if_alone() {
    let mut world = World::new(2);
    world.unsubscribe(0);
    world.pass(1_100 * MS);
    assert_eq!(world.owned(0), MAPPINGS);
    assert_eq!(world.events(0), [Event::Alone("it was closed".to_owned())]);
    assert_eq!(world.commands, 0);
    world.subscribe(1);
    assert_eq!(world.owned(1), MAPPINGS);
    world.at(1).muted("NOPERM".to_owned());
    world.deliver();
    assert_eq!(world.owned(1), MAPPINGS);
    assert_eq!(world.events(1), [Event::Alone("NOPERM".to_owned())]);
    // It may listen after all.
    world.subscribe(0);
    world.pass(2 * SECOND);
    assert!(world.at(0).is_settled());
}

#[test]
fn a_mapping_belongs_to_who_can_serve_it_and_best_to_who_has_the_function() {
    let mut world = World::settled(3);
    let now = world.now;
    let shared = names();
    let with = |more: &'static str, is_local| {
        let shared = shared.iter().map(|name| (name.as_str(), false));
        Skills::of(shared.chain([(more, is_local)]))
    };
    world.at(0).announce(with("own", false), now);
    world.at(1).announce(with("function", true), now);
    world.pass(200 * MS);
    let owners = |world: &World, name: &str| -> Vec<usize> {
        let nodes = world.gateways.iter().enumerate();
        let owns = |node: &Node| node.state != State::Killed && node.membership.owns(name);
        nodes.filter(|(_, node)| owns(node)).map(|(gateway, _)| gateway).collect()
    };
    assert_eq!(owners(&world, "own"), [0]);
    assert_eq!(owners(&world, "function"), [1]);
    for gateway in [0, 2] {
        let now = world.now;
        world.at(gateway).announce(with("function", false), now);
    }
    world.pass(200 * MS);
    assert_eq!(owners(&world, "function"), [1]);
    assert_eq!(owners(&world, "own"), [0; 0], "nobody can serve it any more");
    world.kill(1);
    world.pass(5 * SECOND);
    assert_eq!(owners(&world, "function").len(), 1, "who is left serves it by Lambda");
    world.assert_shared(&[0, 2]);
}

#[test]
fn a_list_that_was_missed_is_asked_for() {
    let mut world = World::settled(2);
    let now = world.now;
    world.at(0).announce(Skills::of([("own", false)].into_iter()), now);
    world.pass(10 * MS);
    // Between two subscriptions.
    world.gateways[1].state = State::Unsubscribed;
    let now = world.now;
    world.at(0).announce(Skills::default(), now);
    world.pass(200 * MS);
    world.gateways[1].state = State::Running;
    world.pass(3 * SECOND);
    assert_eq!(world.owned(1), MAPPINGS);
}

#[test]
fn of_two_with_one_number_the_later_one_takes_no_leases_under_it() {
    let mut world = World::new(3);
    for (gateway, id, holder) in [(0, 1, 7), (1, 2, 7), (2, 3, 8)] {
        world.gateways[gateway].membership = Membership::new(GatewayId::new(id), Some(holder));
        assert_eq!(world.at(gateway).holder(), None, "not known yet");
        world.subscribe(gateway);
        world.pass(SECOND);
    }
    assert_eq!(world.at(0).holder(), Some(7));
    assert_eq!(world.at(1).holder(), None);
    assert_eq!(world.at(2).holder(), Some(8));
    assert!(world.events(1).contains(&Event::Namesake(GatewayId::new(1))));
    assert!(!world.events(0).contains(&Event::Namesake(GatewayId::new(2))));
}

#[test]
fn many_who_ask_at_once_get_few_answers() {
    let mut world = World::settled(2);
    world.pass(500 * MS);
    let now = world.now;
    for n in 100..200 {
        let (from, says) = (GatewayId::new(n), Says::Ask(GatewayId::new(0)));
        world.at(0).heard(Message { from, number: 1, says }, now);
    }
    let commands = world.commands;
    world.pass(90 * MS);
    assert_eq!(world.commands - commands, 1);
}

#[test]
fn the_map_is_told_of_by_who_changed_it() {
    let mut world = World::settled(2);
    world.at(0).map_changed();
    let orders = world.at(0).take_orders();
    let [Order::Tell(message)] = &orders[..] else { panic!("{orders:?}") };
    assert!(world.at(1).is_map_of_another(message));
    assert!(!world.at(0).is_map_of_another(message));
}

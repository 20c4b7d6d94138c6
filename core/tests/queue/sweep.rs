//! What happens although nobody asks: expiry and forgetting.

use karin_core::{
    AttributeName, Demand, Letter, Moved, Outcome, PopOptions, SendOptions, State, Swept,
};

use crate::common::{HOUR_MS, MINUTE_MS, Scene, T0, counts, digest, reloaded};

fn sweep(scene: &mut Scene, budget: usize) -> Swept {
    let swept = scene.queue.sweep(scene.now_ms, budget);
    scene.queue.check().unwrap();
    swept
}

#[test]
fn messages_expire_in_every_state() {
    let mut scene = Scene::standard();
    scene.set(AttributeName::MessageRetentionPeriod, "60");
    scene.let_die_after(1);
    scene.send("dead");
    scene.pop_for(1, 0);
    scene.pop(1);
    scene.send("x a-x y a-y");
    assert_eq!(scene.pop_for(2, HOUR_MS), "x a-x");
    let late = SendOptions { body: b"late", delay_ms: Some(120_000), ..SendOptions::default() };
    scene.send_with(&late).unwrap();
    scene.wait(1);
    scene.send("young");
    assert_eq!(scene.queue.sweep_due_ms(), Some(T0 + MINUTE_MS));
    scene.wait(MINUTE_MS - 2);
    assert_eq!(sweep(&mut scene, 100).dropped, []);
    assert_eq!(scene.counts(), counts(3, 1, 2, 1));
    scene.wait(1);
    assert_eq!(sweep(&mut scene, 100).dropped.len(), 6);
    assert_eq!(scene.counts(), counts(1, 0, 0, 0));
    assert_eq!(scene.ack("x"), Outcome::Gone);
    assert_eq!(scene.pop(10), "young");
}

#[test]
fn a_sweep_drops_no_more_than_its_budget_and_the_next_goes_on() {
    let mut scene = Scene::standard();
    let bodies: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    scene.send(&bodies.join(" "));
    scene.wait(4 * 24 * HOUR_MS);
    let counts: Vec<_> = (0..4).map(|_| sweep(&mut scene, 4).dropped.len()).collect();
    assert_eq!(counts, [4, 4, 2, 0]);
    assert_eq!(scene.queue.sweep_due_ms(), None);
}

#[test]
fn a_lowered_retention_counts_for_the_messages_that_are_there() {
    let mut scene = Scene::standard();
    scene.send("x");
    scene.wait(MINUTE_MS);
    scene.send("y");
    scene.set(AttributeName::MessageRetentionPeriod, "60");
    let popped = scene.pop_with(&PopOptions { count: 10, ..PopOptions::default() });
    assert_eq!((scene.names(&popped), popped.dropped.len()), ("y".into(), 1));
}

#[test]
fn moved_messages_that_are_older_than_those_before_them_are_found() {
    let mut scene = Scene::standard();
    scene.set(AttributeName::MessageRetentionPeriod, "60");
    scene.send("1 2 3 4 5");
    let moved = Moved {
        from: Some(Letter { source_uid: 9, number: 1 }),
        sent_ms: Some(T0 - 50_000),
        ..Moved::default()
    };
    let options = SendOptions { body: b"moved", moved, ..SendOptions::default() };
    let sequence = scene.send_with(&options).unwrap().sequence;
    scene.send("6 7");
    scene.wait(10_000);
    let found: Vec<_> = (0..4).flat_map(|_| sweep(&mut scene, 3).dropped).collect();
    assert_eq!(found.iter().map(|&(_, found)| found).collect::<Vec<_>>(), [sequence]);
    assert_eq!(scene.queue.len(), 7);
}

#[test]
fn clearing_the_front_lets_groups_offer_no_more_messages_than_one_receive_does() {
    let mut scene = Scene::fifo();
    for group in 0..1_100 {
        scene.send(&format!("{group}-x"));
    }
    scene.let_die_after(1);
    scene.pop(1_000);
    scene.pop(100);
    scene.wait(MINUTE_MS);
    let cleared = scene.queue.clear_front(scene.now_ms, 10);
    assert_eq!(cleared.died.len(), 10);
    assert_eq!(scene.queue.more(scene.now_ms), 240);
}

#[test]
fn ids_are_forgotten_after_five_minutes_and_a_replica_forgets_the_same() {
    let mut scene = Scene::fifo();
    for n in 0..10 {
        scene.send(&format!("a-{n} b-{n}"));
        scene.wait(1_000);
    }
    let attempt = PopOptions { attempt: Some(b"try"), ..PopOptions::default() };
    scene.pop_with(&attempt);
    let mut replica = reloaded(&scene.queue, 7);
    assert_eq!(scene.queue.sweep_due_ms(), Some(T0 + 5 * MINUTE_MS));
    scene.wait(5 * MINUTE_MS - 6_000);
    let (mut sweeps, before) = (0, digest(&scene.queue).len());
    while let Some(until_ms) = sweep(&mut scene, 3).forgot_until_ms {
        replica.apply_forget(until_ms);
        replica.check().unwrap();
        assert_eq!(digest(&replica), digest(&scene.queue));
        sweeps += 1;
    }
    assert!((2..=5).contains(&sweeps), "{sweeps} sweeps of about 3 for 10 ids");
    let mut left = 0;
    scene.queue.encode_dedup(1, &mut |_| left += 1);
    assert_eq!((left, digest(&scene.queue).len()), (10, before));
    assert!(scene.queue.encode_attempt(b"try").is_some());
    scene.wait(MINUTE_MS);
    while sweep(&mut scene, 100).forgot_until_ms.is_some() {}
    assert!(scene.queue.encode_attempt(b"try").is_none());
    assert_eq!(digest(&scene.queue).len(), before - 2, "no ids, no attempt");
}

#[test]
fn a_message_is_in_flight_for_twelve_hours_from_its_receive_and_no_longer() {
    for mut scene in [Scene::standard(), Scene::fifo()] {
        scene.send("a-1");
        assert_eq!(scene.pop_for(1, 12 * HOUR_MS), "a-1");
        scene.wait(HOUR_MS);
        assert_eq!(scene.extend("a-1", 11 * HOUR_MS + 1), Outcome::TooLong);
        assert_eq!(scene.queue.view(scene.slot("a-1")).unwrap().due_ms, T0 + 12 * HOUR_MS);
        assert_eq!(scene.extend("a-1", 11 * HOUR_MS), Outcome::Done);
        scene.wait(11 * HOUR_MS - 1);
        assert_eq!(scene.extend("a-1", 2), Outcome::TooLong);
        assert_eq!(scene.extend("a-1", 1), Outcome::Done);
        scene.wait(1);
        assert_eq!(scene.pop(1), "a-1", "its next receive has twelve hours of its own");
        assert_eq!(scene.extend("a-1", 12 * HOUR_MS), Outcome::Done);
    }
}

#[test]
fn no_more_is_handed_out_than_may_be_in_flight_and_lapsed_leases_do_not_count() {
    for bodies in ["1 2 3 4 5", "a-1 a-2 b-1 b-2 x"] {
        let mut scene = Scene::standard();
        scene.send(bodies);
        let options = PopOptions { count: 2, in_flight_max: 3, ..PopOptions::default() };
        let counts: Vec<_> = (0..3)
            .map(|_| scene.pop_with(&options))
            .map(|popped| (popped.leased.len(), popped.is_limited))
            .collect();
        assert_eq!(counts, [(2, false), (1, false), (0, true)]);
        scene.wait(30_000);
        assert_eq!(scene.pop_with(&options).leased.len(), 2);
    }
}

#[test]
fn who_was_held_back_hears_once_that_there_is_room() {
    type Step = fn(&mut Scene) -> Outcome;
    let options = PopOptions { in_flight_max: 2, ..PopOptions::default() };
    let make_room: [(&str, Step); 5] = [
        ("an acknowledgement", |scene| scene.ack("a-1")),
        ("a release", |scene| scene.release("a-1", 0)),
        ("a release for later", |scene| scene.release("a-1", 5_000)),
        ("a lease that is ended", |scene| scene.extend("a-1", 0)),
        ("a lease that is shortened", |scene| scene.extend("a-1", 5_000)),
    ];
    for (what, room) in make_room {
        for mut scene in [Scene::standard(), Scene::fifo()] {
            scene.send("a-1 b-2 c-3 d-4");
            scene.pop(2);
            scene.wait(1);
            scene.queue.take_hint();
            assert!(scene.pop_with(&options).is_limited);
            assert_eq!(scene.extend("b-2", 40_000), Outcome::Done);
            assert_eq!(scene.queue.take_hint(), None, "a longer lease makes no room");
            let before = scene.queue.hint();
            assert_eq!(room(&mut scene), Outcome::Done);
            let hint = scene.queue.take_hint().expect(what);
            assert_eq!(hint.number, before + 1, "{what}");
            assert!(hint.due_ms <= scene.now_ms, "{what}");
            scene.ack("b-2");
            assert_eq!(scene.queue.take_hint(), None, "{what}: nobody was held back since");
        }
    }
}

#[test]
fn the_next_lapse_is_that_of_a_lease_not_the_end_of_a_delay() {
    let mut scene = Scene::standard();
    assert_eq!(scene.queue.next_lapse_ms(), None);
    let late = SendOptions { body: b"late", delay_ms: Some(5_000), ..SendOptions::default() };
    scene.send_with(&late).unwrap();
    scene.send("x a-y");
    scene.pop_for(1, 20_000);
    scene.pop_for(1, 10_000);
    assert_eq!(scene.queue.next_lapse_ms(), Some(T0 + 10_000));
    scene.wait(10_000);
    scene.counts();
    assert_eq!(scene.queue.next_lapse_ms(), Some(T0 + 20_000));
}

#[test]
fn pages_of_a_peek_meet_every_message_once() {
    let mut scene = Scene::standard();
    let bodies: Vec<String> =
        (0..25).map(|n| format!("{}-{n}", if n % 2 == 0 { "a" } else { "b" })).collect();
    scene.send(&bodies.join(" "));
    scene.pop(5);
    let page_through = |state, count| {
        let (mut after, mut seen, mut pages) = (0, Vec::new(), 0);
        loop {
            let page = scene.queue.peek(scene.now_ms, state, after, count);
            seen.extend(page.messages.into_iter().map(|(slot, _)| slot));
            pages += 1;
            match page.after {
                Some(last) => after = last,
                None => return (seen, pages),
            }
        }
    };
    let all: Vec<u32> = scene.queue.slots().collect();
    assert_eq!(page_through(None, 10), (all.clone(), 3));
    assert_eq!(page_through(None, 25), (all, 1));
    assert_eq!(page_through(Some(State::InFlight), 2).0.len(), 5);
    assert_eq!(page_through(Some(State::Ready), 7).0.len(), 20);
    assert_eq!(page_through(Some(State::Dead), 7).0.len(), 0);
}

#[test]
fn a_peek_passes_over_a_thousand_messages_and_shows_no_expired_one() {
    let mut scene = Scene::standard();
    scene.set(AttributeName::MessageRetentionPeriod, "60");
    for _ in 0..1_500 {
        scene.queue.send(T0, &SendOptions::default()).unwrap();
    }
    scene.wait(MINUTE_MS);
    scene.send("young");
    let page = scene.queue.peek(scene.now_ms, None, 0, 10);
    assert_eq!((page.messages, page.after), (vec![], Some(1_000)));
    let page = scene.queue.peek(scene.now_ms, None, 1_000, 10);
    assert_eq!((page.messages.len(), page.after), (1, None));
    assert_eq!(scene.queue.peek(scene.now_ms, None, u64::MAX, 10).messages, []);
}

#[test]
fn counts_catch_up_in_steps_after_many_messages_became_due_at_once() {
    let mut scene = Scene::standard();
    let delayed = SendOptions { delay_ms: Some(1_000), ..SendOptions::default() };
    for _ in 0..2_500 {
        scene.queue.send(T0, &delayed).unwrap();
    }
    scene.wait(1_000);
    let ready: Vec<_> = (0..3).map(|_| scene.counts().ready).collect();
    assert_eq!(ready, [1_000, 2_000, 2_500]);
    scene.queue.check().unwrap();
}

#[test]
fn attempts_are_forgotten_in_steps_too() {
    let mut scene = Scene::standard();
    for n in 0..10_u8 {
        scene.send("x");
        scene.pop_with(&PopOptions { attempt: Some(&[n]), ..PopOptions::default() });
        scene.wait(1);
    }
    scene.wait(5 * MINUTE_MS);
    let mut left = Vec::new();
    while sweep(&mut scene, 4).forgot_until_ms.is_some() {
        let mut count = 0;
        scene.queue.encode_attempts(&mut |_| count += 1);
        left.push(count);
    }
    assert_eq!(left, [6, 2, 0]);
}

#[test]
fn a_receive_looks_at_no_more_than_a_thousand_messages_it_does_not_hand_out() {
    for fifo in [false, true] {
        let mut scene = if fifo { Scene::fifo() } else { Scene::standard() };
        scene.set(AttributeName::MessageRetentionPeriod, "60");
        for n in 0..1_500_u32 {
            let id = format!("id {n}");
            let options = SendOptions {
                group: Some(b"a"),
                dedup_id: fifo.then_some(id.as_bytes()),
                ..SendOptions::default()
            };
            scene.queue.send(T0, &options).unwrap();
        }
        scene.wait(MINUTE_MS);
        scene.send("a-young");
        let options = PopOptions { count: 10, ..PopOptions::default() };
        let popped = scene.pop_with(&options);
        assert_eq!((popped.leased.len(), popped.dropped.len()), (0, 1_000));
        assert_eq!(scene.queue.next_wait_ms(scene.now_ms), Some(0), "ask again");
        let popped = scene.pop_with(&options);
        assert_eq!((scene.names(&popped), popped.dropped.len()), ("a-young".into(), 500));
    }
}

#[test]
fn order_holds_when_more_leases_lapse_at_once_than_a_receive_looks_at() {
    let mut scene = Scene::fifo();
    for n in 0..1_500_u32 {
        let id = n.to_string();
        let options = SendOptions {
            body: id.as_bytes(),
            group: Some(if n % 2 == 0 { b"a" } else { b"b" }),
            dedup_id: Some(id.as_bytes()),
            ..SendOptions::default()
        };
        scene.queue.send(T0, &options).unwrap();
    }
    let all = PopOptions { count: 1_500, ..PopOptions::default() };
    let expected: Vec<String> =
        (0..750).map(|n| 2 * n).chain((0..750).map(|n| 2 * n + 1)).map(|n| n.to_string()).collect();
    let popped = scene.pop_with(&all);
    assert_eq!(scene.names(&popped), expected.join(" "));
    scene.wait(30_000);
    let first = scene.pop_with(&all);
    assert_eq!(first.leased.len(), 1_000);
    for &slot in &first.leased {
        let receipt = scene.queue.receipt(slot).unwrap();
        scene.queue.acknowledge(scene.now_ms, &receipt, Demand::Any);
    }
    let second = scene.pop_with(&all);
    let names = scene.names(&second);
    let expected: Vec<String> = (500..750)
        .map(|n| 2 * n)
        .chain((500..750).map(|n| 2 * n + 1))
        .map(|n: u32| n.to_string())
        .collect();
    assert_eq!(names, expected.join(" "));
}

#[test]
fn a_queue_with_moved_messages_is_walked_through_and_ids_count_as_effort() {
    let mut scene = Scene::fifo();
    scene.send("a-1 a-2 a-3 b-4");
    scene.wait(5 * MINUTE_MS);
    assert!(!sweep(&mut scene, 100).goes_on);
    assert_eq!(scene.queue.free_effort(), 4);
    let moved = Moved { from: Some(Letter { source_uid: 9, number: 1 }), ..Moved::default() };
    let options = SendOptions {
        body: b"moved",
        group: Some(b"a"),
        dedup_id: Some(b"id"),
        moved,
        ..SendOptions::default()
    };
    scene.send_with(&options).unwrap();
    assert_eq!(scene.queue.free_effort(), 6, "five messages and an id");
    let walks = [sweep(&mut scene, 3), sweep(&mut scene, 3)].map(|swept| swept.goes_on);
    assert_eq!(walks, [true, false], "any may have expired");
    scene.wait(4 * 24 * HOUR_MS);
    sweep(&mut scene, 3);
    let purged = scene.queue.purge();
    assert_eq!((purged.count(), purged.free_effort()), (2, 2));
}

//! What happens although nobody asks: expiry, forgetting, and a clock that was wrong.

use karin_core::{
    AttributeName, Corrected, Demand, Letter, Moved, Outcome, PopOptions, SendOptions, State, Swept,
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

/// A queue whose clock was an hour ahead when one message was received and one sent with a delay.
fn ahead(mut scene: Scene, group: &str) -> Scene {
    scene.send(&format!("{group}1"));
    scene.now_ms += HOUR_MS;
    assert_eq!(scene.pop(1), format!("{group}1"));
    scene.set(AttributeName::DelaySeconds, "10");
    scene.send("z-2");
    scene.now_ms -= HOUR_MS;
    scene
}

#[test]
fn after_a_clock_was_an_hour_ahead_nothing_is_late_by_an_hour() {
    for (scene, group) in
        [(Scene::standard(), ""), (Scene::standard(), "a-"), (Scene::fifo(), "a-")]
    {
        let mut scene = ahead(scene, group);
        assert_eq!(scene.queue.next_wait_ms(scene.now_ms), Some(HOUR_MS + 10_000));
        let corrected = scene.queue.correct_times(scene.now_ms, HOUR_MS, 0, 100);
        scene.queue.check().unwrap();
        assert_eq!((corrected.slots.len(), corrected.next), (2, None));
        assert_eq!(scene.queue.next_wait_ms(scene.now_ms), Some(10_000));
        assert!(scene.queue.take_hint().is_some());
        let again = scene.queue.correct_times(scene.now_ms, HOUR_MS, 0, 100);
        assert_eq!(again, Corrected::default());
        scene.wait(10_000);
        assert_eq!(scene.pop(10), "z-2");
        scene.wait(20_000);
        assert_eq!(scene.pop(1), format!("{group}1"));
    }
}

/// Does something while the clock is ahead, and sets times right once it is right again: on a
/// replica, too, and a second time, which changes nothing. How many times of messages were wrong.
fn do_ahead(scene: &mut Scene, ahead_ms: u64, act: impl FnOnce(&mut Scene)) -> usize {
    scene.now_ms += ahead_ms;
    act(scene);
    scene.now_ms -= ahead_ms;
    let mut replica = reloaded(&scene.queue, 7);
    let corrected = scene.queue.correct_times(scene.now_ms, ahead_ms, 0, 100);
    scene.queue.check().unwrap();
    assert_eq!(corrected.next, None);
    let mut states = Vec::new();
    corrected.slots.iter().for_each(|&slot| scene.queue.encode_state(slot, &mut states));
    replica.apply_states(&states).unwrap();
    replica.apply_dedup(&corrected.ids).unwrap();
    corrected.attempts.iter().for_each(|attempt| replica.apply_attempt(attempt).unwrap());
    replica.check().unwrap();
    assert_eq!(digest(&replica), digest(&scene.queue));
    let again = scene.queue.correct_times(scene.now_ms, ahead_ms, 0, 100);
    assert_eq!(again, Corrected::default());
    corrected.slots.len()
}

/// A standard queue, one with groups and a FIFO queue, each with one message.
fn each_kind(each: impl Fn(&mut Scene, &str)) {
    let scenes = [(Scene::standard(), "1"), (Scene::standard(), "a-1"), (Scene::fifo(), "a-1")];
    for (mut scene, name) in scenes {
        scene.send(name);
        each(&mut scene, name);
    }
}

fn assert_comes_in(scene: &mut Scene, name: &str, ms: u64) {
    assert_eq!(scene.queue.next_wait_ms(scene.now_ms), Some(ms));
    scene.wait(ms);
    assert_eq!(scene.pop(1), name);
}

#[test]
fn what_was_extended_while_the_clock_was_ahead_comes_in_time() {
    each_kind(|scene, name| {
        assert_eq!(scene.pop_for(1, 2 * HOUR_MS), name);
        scene.wait(5_000);
        let corrected = do_ahead(scene, HOUR_MS, |scene| {
            assert_eq!(scene.extend(name, 20_500), Outcome::Done);
        });
        assert_eq!(corrected, 1);
        assert_comes_in(scene, name, 20_500);
    });
    each_kind(|scene, name| {
        assert_eq!(scene.pop_for(1, 2 * HOUR_MS), name);
        do_ahead(scene, HOUR_MS, |scene| assert_eq!(scene.extend(name, 0), Outcome::Done));
        assert_comes_in(scene, name, 0);
    });
}

#[test]
fn what_was_given_back_while_the_clock_was_ahead_comes_in_time() {
    for delay_ms in [0, 10_000] {
        each_kind(|scene, name| {
            assert_eq!(scene.pop(1), name);
            do_ahead(scene, HOUR_MS, |scene| {
                assert_eq!(scene.release(name, delay_ms), Outcome::Done);
            });
            assert_comes_in(scene, name, delay_ms);
        });
    }
    // One that is nobody's any more can be put off by an old receipt.
    let mut scene = Scene::standard();
    scene.send("1");
    assert_eq!(scene.pop(1), "1");
    assert_eq!(scene.release("1", 0), Outcome::Done);
    do_ahead(&mut scene, HOUR_MS, |scene| assert_eq!(scene.extend("1", 3_000), Outcome::Done));
    assert_comes_in(&mut scene, "1", 3_000);
}

#[test]
fn what_was_redriven_while_the_clock_was_ahead_comes_at_once() {
    each_kind(|scene, name| {
        scene.let_die_after(1);
        assert_eq!(scene.pop_for(1, 0), name);
        assert_eq!(scene.pop(1), "");
        do_ahead(scene, HOUR_MS, |scene| {
            assert_eq!(scene.queue.revive(scene.now_ms, 1, false).len(), 1);
        });
        assert_comes_in(scene, name, 0);
    });
}

#[test]
fn what_an_attempt_got_again_while_the_clock_was_ahead_comes_in_time() {
    each_kind(|scene, name| {
        let attempt = |visibility_timeout_ms| PopOptions {
            attempt: Some(b"try"),
            visibility_timeout_ms: Some(visibility_timeout_ms),
            ..PopOptions::default()
        };
        assert_eq!(scene.pop_with(&attempt(HOUR_MS)).leased.len(), 1);
        let corrected = do_ahead(scene, 4 * MINUTE_MS, |scene| {
            assert!(scene.pop_with(&attempt(30_000)).repeated);
        });
        assert_eq!(corrected, 1);
        assert_comes_in(scene, name, 30_000);
    });
}

#[test]
fn an_attempt_made_while_the_clock_was_ahead_is_repeated_and_forgotten_in_time() {
    each_kind(|scene, _| {
        let attempt = PopOptions { attempt: Some(b"try"), ..PopOptions::default() };
        do_ahead(scene, HOUR_MS, |scene| drop(scene.pop_with(&attempt)));
        assert!(scene.pop_with(&attempt).repeated);
        scene.wait(5 * MINUTE_MS);
        assert!(sweep(scene, 100).forgot_until_ms.is_some());
        assert!(scene.queue.encode_attempt(b"try").is_none());
    });
}

#[test]
fn what_was_moved_here_with_a_delay_while_the_clock_was_ahead_comes_in_time() {
    let mut scene = Scene::standard();
    do_ahead(&mut scene, HOUR_MS, |scene| {
        let moved = Moved { sent_ms: Some(T0 - MINUTE_MS), ..Moved::default() };
        let options = SendOptions { body: b"1", delay_ms: Some(5_000), ..SendOptions::default() };
        scene.send_with(&SendOptions { moved, ..options }).unwrap();
    });
    assert_comes_in(&mut scene, "1", 5_000);
}

#[test]
fn what_was_sent_while_the_clock_was_ahead_comes_before_what_is_sent_later() {
    for (scene, group) in [(Scene::standard(), ""), (Scene::standard(), "a-")] {
        let mut scene = scene;
        let bodies = |numbers: [u8; 2]| numbers.map(|n| format!("{group}{n}")).join(" ");
        do_ahead(&mut scene, HOUR_MS, |scene| scene.send(&bodies([1, 2])));
        scene.wait(1);
        scene.send(&bodies([3, 4]));
        assert_eq!(scene.pop(2), bodies([1, 2]));
    }
}

#[test]
fn an_id_accepted_while_the_clock_was_ahead_is_forgotten_in_five_minutes() {
    let mut scene = Scene::fifo();
    let send = |scene: &mut Scene, id: &[u8]| {
        let (group, dedup_id) = (Some(&b"a"[..]), Some(id));
        let sent = scene.send_with(&SendOptions { group, dedup_id, ..SendOptions::default() });
        sent.unwrap().slot.is_some()
    };
    assert!(send(&mut scene, b"before"));
    do_ahead(&mut scene, HOUR_MS, |scene| assert!(send(scene, b"ahead")));
    scene.wait(1_000);
    assert!(send(&mut scene, b"after"));
    scene.wait(5 * MINUTE_MS - 1_001);
    assert!(!send(&mut scene, b"ahead"), "it is a duplicate");
    scene.wait(1_001);
    assert!(sweep(&mut scene, 100).forgot_until_ms.is_some());
    let mut left = 0;
    scene.queue.encode_dedup(1, &mut |_| left += 1);
    assert_eq!(left, 0);
}

#[test]
fn ids_and_attempts_are_set_right_in_steps() {
    let mut scene = Scene::fifo();
    scene.now_ms += HOUR_MS;
    for n in 0..10_u8 {
        scene.send(&format!("{n}-x"));
        let options = PopOptions { attempt: Some(&[n]), ..PopOptions::default() };
        let popped = scene.pop_with(&options);
        assert_eq!(scene.ack(&scene.names(&popped)), Outcome::Done);
    }
    scene.now_ms -= HOUR_MS;
    let (mut next, mut sizes) = (Some(0), Vec::new());
    while let Some(from) = next {
        let corrected = scene.queue.correct_times(scene.now_ms, HOUR_MS, from, 4);
        sizes.push((corrected.ids.len() / 32, corrected.attempts.len()));
        next = corrected.next;
    }
    assert_eq!(sizes, [(4, 4), (4, 4), (2, 2)]);
}

#[test]
fn another_delay_counts_from_when_a_message_was_really_sent() {
    let mut scene = Scene::fifo();
    scene.set(AttributeName::DelaySeconds, "10");
    do_ahead(&mut scene, HOUR_MS, |scene| scene.send("a-1"));
    scene.wait(5_000);
    scene.set(AttributeName::DelaySeconds, "20");
    assert_comes_in(&mut scene, "a-1", 15_000);
}

#[test]
fn a_lease_of_part_of_a_second_is_not_taken_for_one_from_the_future() {
    let mut scene = Scene::standard();
    scene.send("x");
    assert_eq!(scene.pop_for(1, 2_500), "x");
    let corrected = scene.queue.correct_times(scene.now_ms, 600, 0, 100);
    assert_eq!(corrected, Corrected::default());
}

#[test]
fn what_an_earlier_correction_has_missed_waits_no_longer_than_from_now_on() {
    each_kind(|scene, name| {
        scene.now_ms += 3 * HOUR_MS;
        assert_eq!(scene.pop(1), name);
        scene.now_ms -= 3 * HOUR_MS;
        do_ahead(scene, HOUR_MS, |_| ());
        assert_comes_in(scene, name, 30_000);
    });
}

#[test]
fn times_that_were_right_stay_when_the_clock_is_set_back() {
    let mut scene = Scene::standard();
    scene.send("x y");
    assert_eq!(scene.pop(1), "x");
    let late = SendOptions { body: b"late", delay_ms: Some(5_000), ..SendOptions::default() };
    scene.send_with(&late).unwrap();
    scene.wait(HOUR_MS);
    let corrected = scene.queue.correct_times(scene.now_ms, HOUR_MS, 0, 100);
    assert_eq!(corrected.slots, []);
}

#[test]
fn a_clock_that_was_behind_and_is_right_again_delays_nothing() {
    for mut scene in [Scene::standard(), Scene::fifo()] {
        scene.now_ms -= HOUR_MS;
        scene.send("a-1 b-1");
        assert_eq!(scene.pop(1), "a-1");
        scene.now_ms += HOUR_MS;
        assert_eq!(scene.pop(10), "b-1 a-1");
    }
}

#[test]
fn times_are_set_right_in_steps() {
    let mut scene = Scene::standard();
    scene.now_ms += HOUR_MS;
    let bodies: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    scene.send(&bodies.join(" "));
    assert_eq!(scene.pop(10), bodies.join(" "));
    scene.now_ms -= HOUR_MS;
    let (mut next, mut sizes) = (Some(0), Vec::new());
    while let Some(from) = next {
        let corrected = scene.queue.correct_times(scene.now_ms, HOUR_MS, from, 4);
        scene.queue.check().unwrap();
        sizes.push(corrected.slots.len());
        next = corrected.next;
    }
    assert_eq!(sizes, [4, 4, 2]);
    scene.wait(30_000);
    assert_eq!(scene.pop(10), bodies.join(" "));
}

#[test]
fn a_message_that_is_no_longer_late_can_be_extended_to_twelve_hours_from_its_receive() {
    let mut scene = ahead(Scene::standard(), "");
    scene.queue.correct_times(scene.now_ms, HOUR_MS, 0, 100);
    assert_eq!(scene.extend("1", 12 * HOUR_MS), Outcome::Done);
    assert_eq!(scene.extend("1", 12 * HOUR_MS + 1), Outcome::TooLong);
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

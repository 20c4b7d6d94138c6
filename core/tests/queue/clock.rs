//! A clock that was wrong for a while: nothing is late once it is right again.

use karin_core::{AttributeName, Corrected, Moved, Outcome, PopOptions, Queue, SendOptions};

use crate::common::{HOUR_MS, MINUTE_MS, Scene, T0, digest, reloaded};

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
        assert!(scene.queue.sweep(scene.now_ms, 100).forgot_until_ms.is_some());
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
    assert!(scene.queue.sweep(scene.now_ms, 100).forgot_until_ms.is_some());
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
fn servers_that_hold_a_message_in_other_places_agree_about_it() {
    let mut scene = Scene::standard();
    let mut replica = reloaded(&scene.queue, 7);
    let tell = |scene: &Scene, replica: &mut Queue, slot: u32| {
        let meta = scene.queue.encode_meta(slot).unwrap();
        replica.apply_puts(&[(meta.as_slice(), scene.queue.payload(slot).unwrap())]).unwrap();
    };
    scene.now_ms += MINUTE_MS;
    scene.send("1");
    tell(&scene, &mut replica, 0);
    assert_eq!(scene.pop(1), "1");
    scene.now_ms -= MINUTE_MS;
    let moved = Moved { sent_ms: Some(T0 - MINUTE_MS), ..Moved::default() };
    scene.send_with(&SendOptions { body: b"2", moved, ..SendOptions::default() }).unwrap();
    // Alone in the ready list here; there it would stand behind one that is due later.
    tell(&scene, &mut replica, 1);
    let mut state = Vec::new();
    scene.queue.encode_state(0, &mut state);
    replica.apply_states(&state).unwrap();
    assert_eq!(digest(&replica), digest(&scene.queue));
}

//! What a person does with single messages they see.

use karin_core::{Demand, Dropped, Outcome, PopOptions};

use crate::common::{Scene, counts};

fn lease(scene: &mut Scene, sequences: &[u64], options: &PopOptions<'_>) -> String {
    let mut lease = 1_000;
    let slots = scene.queue.lease_chosen(scene.now_ms, sequences, options, &mut || {
        lease += 1;
        lease
    });
    scene.queue.check().unwrap();
    scene.names_of(&slots)
}

#[test]
fn a_message_in_flight_is_dropped_by_force_only() {
    let mut scene = Scene::standard();
    scene.send("a b c");
    assert_eq!(scene.pop(1), "a");
    let now_ms = scene.now_ms;
    assert_eq!(scene.queue.drop_chosen(now_ms, 1, false), Dropped::InFlight);
    assert!(matches!(scene.queue.drop_chosen(now_ms, 2, false), Dropped::Done(_)));
    assert_eq!(scene.queue.drop_chosen(now_ms, 2, false), Dropped::Gone);
    assert_eq!(scene.queue.drop_chosen(now_ms, 4, true), Dropped::Gone);
    assert!(matches!(scene.queue.drop_chosen(now_ms, 1, true), Dropped::Done(_)));
    let receipt = scene.receipt("a");
    assert_eq!(scene.queue.acknowledge(now_ms, &receipt, Demand::Any), Outcome::Gone);
    assert_eq!(scene.pop(9), "c");
    scene.wait(30_000);
    assert!(matches!(scene.queue.drop_chosen(scene.now_ms, 3, false), Dropped::Done(_)));
    assert_eq!(scene.queue.counts(scene.now_ms), counts(0, 0, 0, 0));
}

#[test]
fn dropping_the_first_of_a_group_lets_the_next_one_go() {
    let mut scene = Scene::fifo();
    scene.send("g-1 g-2 g-3 h-1");
    assert_eq!(scene.pop(1), "g-1");
    let _ = scene.queue.take_hint();
    assert_eq!(scene.pop(9), "h-1", "the others wait for the one in flight");
    assert!(matches!(scene.queue.drop_chosen(scene.now_ms, 1, true), Dropped::Done(_)));
    assert!(scene.queue.take_hint().is_some(), "who waits hears of it");
    assert_eq!(scene.pop(9), "g-2 g-3");
}

#[test]
fn a_dead_letter_is_dropped_and_not_leased() {
    let mut scene = Scene::standard();
    scene.let_die_after(1);
    scene.send("a");
    assert_eq!(scene.pop_for(1, 0), "a");
    assert_eq!(scene.pop(1), "");
    assert_eq!(scene.queue.dead(), 1);
    assert_eq!(lease(&mut scene, &[1], &PopOptions::default()), "");
    assert!(matches!(scene.queue.drop_chosen(scene.now_ms, 1, false), Dropped::Done(_)));
    assert_eq!(scene.queue.dead(), 0);
}

#[test]
fn chosen_messages_are_leased_in_the_order_given_whoever_is_next() {
    let mut scene = Scene::standard();
    scene.send("a bb ccc d");
    assert_eq!(scene.pop(1), "a");
    let few = PopOptions { max_bytes: Some(4), ..PopOptions::default() };
    assert_eq!(lease(&mut scene, &[3, 1, 9, 3, 4, 2], &few), "ccc d", "bb has no room");
    assert_eq!(scene.queue.counts(scene.now_ms), counts(1, 0, 3, 0));
    let full = PopOptions { in_flight_max: 3, ..PopOptions::default() };
    assert_eq!(lease(&mut scene, &[2], &full), "", "as many as may be are in flight");
    assert_eq!(scene.pop(9), "bb");
}

#[test]
fn a_lease_within_a_group_holds_back_what_stands_behind_it() {
    let mut scene = Scene::fifo();
    scene.send("g-1 g-2 g-3");
    assert_eq!(lease(&mut scene, &[2], &PopOptions::default()), "g-2");
    assert_eq!(scene.pop(9), "g-1");
    assert_eq!(scene.pop(9), "");
    scene.wait(30_000);
    assert_eq!(scene.pop(9), "g-1 g-2 g-3");
}

use super::*;

/// Lines whose waiters are named by a word.
struct Scene {
    lines: Lines<&'static str>,
    start: Instant,
    queue: QueueName,
}

impl Scene {
    fn new() -> Self {
        let queue = QueueName::parse("orders").unwrap();
        Self { lines: Lines::default(), start: Instant::now(), queue }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn join(&mut self, who: &'static str, ms: u64) -> Ticket {
        let now = self.at(ms);
        let ticket = self.lines.join(&self.queue, None, now);
        self.lines.wait(&self.queue, ticket, who, now);
        ticket
    }

    fn leave(&mut self, ticket: Ticket, turn: Turn, ms: u64) {
        let now = self.at(ms);
        self.lines.leave(&self.queue, ticket, turn, now);
    }

    fn subscribed(&mut self, ms: u64) {
        let now = self.at(ms);
        self.lines.subscribed(std::slice::from_ref(&self.queue), now);
    }

    fn hint(&mut self, in_ms: u64, number: u64, ms: u64) {
        let now = self.at(ms);
        self.lines.hint(&self.queue, number, in_ms, now);
    }

    fn popped(&mut self, next_ms: Option<u64>, hint: u64, ms: u64) {
        let now = self.at(ms);
        self.lines.outlook(&self.queue, Outlook { hint, next_ms }, Source::Pop, now);
    }

    /// A line in which `who` stand, everything known, nothing due.
    fn quiet(who: &[&'static str]) -> Self {
        let mut scene = Self::new();
        let first = scene.join("first", 0);
        scene.subscribed(0);
        scene.popped(None, 10, 0);
        scene.leave(first, Turn::PassOn, 0);
        scene.lines.take_woken();
        for name in who {
            scene.join(name, 0);
        }
        scene.woken(&[]);
        scene
    }

    #[track_caller]
    fn woken(&mut self, expected: &[&str]) {
        assert_eq!(self.lines.take_woken(), expected);
    }

    #[track_caller]
    fn advance(&mut self, ms: u64, expected: &[&str]) {
        let now = self.at(ms);
        self.lines.advance(now);
        self.woken(expected);
    }

    #[track_caller]
    fn timer(&self, expected_ms: Option<u64>) {
        assert_eq!(self.lines.next_timer(), expected_ms.map(|ms| self.at(ms)));
    }
}

#[test]
fn of_an_unknown_queue_nothing_is_due_before_its_hints_arrive() {
    let mut scene = Scene::new();
    scene.join("a", 0);
    assert_eq!(scene.lines.unsubscribed(), [scene.queue.clone()]);
    scene.woken(&[]);
    scene.timer(None);
    scene.subscribed(5);
    scene.woken(&["a"]);
    assert!(scene.lines.unsubscribed().is_empty());
}

#[test]
fn one_hint_wakes_one_and_the_answer_wakes_the_next_while_there_is_more() {
    let mut scene = Scene::quiet(&["a", "b", "c"]);
    scene.hint(0, 11, 10);
    scene.woken(&["a"]);
    scene.popped(Some(0), 11, 11);
    scene.woken(&["b"]);
    scene.popped(None, 11, 12);
    scene.woken(&[]);
    scene.timer(None);
}

#[test]
fn who_waits_is_woken_when_the_message_becomes_due_and_not_before() {
    let mut scene = Scene::quiet(&["a"]);
    scene.hint(250, 11, 10);
    scene.timer(Some(260));
    scene.advance(259, &[]);
    scene.advance(260, &["a"]);
}

#[test]
fn an_earlier_hint_moves_the_timer_forward_and_a_later_answer_back() {
    let mut scene = Scene::quiet(&["a"]);
    scene.hint(500, 11, 0);
    scene.hint(200, 12, 0);
    scene.timer(Some(200));
    scene.popped(Some(300), 12, 100);
    scene.timer(Some(400));
}

#[test]
fn a_hint_the_answer_already_knew_wakes_nobody() {
    let mut scene = Scene::quiet(&["a"]);
    scene.popped(None, 11, 10);
    scene.hint(0, 11, 11);
    scene.woken(&[]);
    scene.hint(0, 12, 12);
    scene.woken(&["a"]);
}

#[test]
fn a_number_that_starts_anew_is_believed() {
    let mut scene = Scene::quiet(&["a", "b"]);
    scene.hint(0, 11, 10);
    scene.woken(&["a"]);
    scene.popped(None, 11, 10);
    // The queue was deleted and made again: not above the last hint, so another life.
    scene.hint(0, 1, 20);
    scene.woken(&["b"]);
    // And one nobody had a hint of yet, some time after the last answer.
    let mut scene = Scene::quiet(&["a"]);
    scene.hint(0, 1, 1_500);
    scene.woken(&["a"]);
}

#[test]
fn an_answer_from_before_a_hint_does_not_hide_it() {
    let mut scene = Scene::quiet(&["a"]);
    scene.hint(300, 11, 10);
    scene.popped(None, 10, 11);
    scene.timer(Some(310));
}

#[test]
fn a_send_of_our_own_that_is_due_now_wakes_before_its_hint_comes() {
    let mut scene = Scene::quiet(&["a", "b"]);
    let (queue, now) = (scene.queue.clone(), scene.at(10));
    scene.lines.sent(&queue, 11, 0, now);
    scene.woken(&["a"]);
    scene.popped(None, 11, 11);
    scene.hint(0, 11, 12);
    scene.woken(&[]);
}

#[test]
fn a_delayed_send_of_our_own_does_not_hide_the_hint_of_an_earlier_one() {
    let mut scene = Scene::quiet(&["a"]);
    let (queue, now) = (scene.queue.clone(), scene.at(10));
    // Somebody else's message raised the number to 11; its hint is still on its way.
    scene.lines.sent(&queue, 11, 60_000, now);
    scene.woken(&[]);
    scene.hint(0, 11, 11);
    scene.woken(&["a"]);
}

#[test]
fn one_who_leaves_after_being_woken_passes_it_on() {
    let mut scene = Scene::quiet(&[]);
    let a = scene.join("a", 0);
    scene.join("b", 0);
    scene.hint(0, 11, 10);
    scene.woken(&["a"]);
    scene.leave(a, Turn::PassOn, 11);
    scene.woken(&["b"]);
}

#[test]
fn one_who_leaves_to_look_has_a_moment_for_it() {
    let mut scene = Scene::quiet(&[]);
    let a = scene.join("a", 0);
    scene.join("b", 0);
    scene.hint(0, 11, 10);
    scene.woken(&["a"]);
    scene.leave(a, Turn::Keep, 11);
    scene.woken(&[]);
    scene.timer(Some(110));
    scene.advance(110, &["b"]);
}

#[test]
fn one_who_found_nothing_keeps_the_place_in_the_line() {
    let mut scene = Scene::quiet(&[]);
    let a = scene.join("a", 0);
    scene.join("b", 0);
    scene.hint(0, 11, 10);
    scene.woken(&["a"]);
    scene.popped(None, 11, 11);
    let (queue, now) = (scene.queue.clone(), scene.at(11));
    scene.lines.wait(&queue, a, "a", now);
    scene.hint(0, 12, 20);
    scene.woken(&["a"]);
}

#[test]
fn what_came_due_while_nobody_stood_there_wakes_the_next_to_come() {
    let mut scene = Scene::quiet(&[]);
    scene.hint(0, 11, 10);
    scene.timer(None);
    scene.join("a", 20);
    scene.woken(&["a"]);
}

#[test]
fn a_missing_queue_wakes_nobody_until_its_first_hint() {
    let mut scene = Scene::quiet(&["a"]);
    let (queue, now) = (scene.queue.clone(), scene.at(10));
    scene.lines.missing(&queue, now);
    scene.woken(&[]);
    scene.hint(0, 1, 11);
    scene.woken(&["a"]);
}

#[test]
fn a_deleted_queue_wakes_all() {
    let mut scene = Scene::quiet(&["a", "b"]);
    let (queue, now) = (scene.queue.clone(), scene.at(10));
    scene.lines.deleted(&queue, now);
    scene.woken(&["a", "b"]);
    scene.timer(None);
}

#[test]
fn after_a_failure_somebody_looks_again_a_second_later() {
    let mut scene = Scene::quiet(&["a", "b"]);
    scene.hint(0, 11, 0);
    scene.woken(&["a"]);
    let (queue, now) = (scene.queue.clone(), scene.at(10));
    scene.lines.failed(&queue, now);
    scene.advance(1_009, &[]);
    scene.advance(1_010, &["b"]);
}

#[test]
fn a_lost_subscription_is_wanted_again_and_numbers_start_anew() {
    let mut scene = Scene::quiet(&["a"]);
    scene.lines.forget();
    assert_eq!(scene.lines.unsubscribed(), [scene.queue.clone()]);
    scene.subscribed(100);
    scene.woken(&["a"]);
    scene.popped(None, 1, 101);
    scene.join("b", 102);
    scene.hint(0, 2, 103);
    scene.woken(&["b"]);
}

#[test]
fn a_line_goes_when_nobody_stood_in_it_between_two_sweeps() {
    let mut scene = Scene::quiet(&[]);
    let a = scene.join("a", 0);
    assert!(scene.lines.tidy().is_empty());
    assert!(scene.lines.tidy().is_empty());
    scene.leave(a, Turn::PassOn, 1);
    assert!(scene.lines.tidy().is_empty());
    assert_eq!(scene.lines.tidy(), [scene.queue.clone()]);
    assert!(scene.lines.is_empty());
}

#[test]
fn the_sweep_tells_what_a_lost_hint_left() {
    let mut scene = Scene::quiet(&["a"]);
    let (queue, now) = (scene.queue.clone(), scene.at(60_000));
    let outlook = Outlook { hint: 12, next_ms: Some(30) };
    scene.lines.outlook(&queue, outlook, Source::List, now);
    scene.advance(60_029, &[]);
    scene.advance(60_030, &["a"]);
}

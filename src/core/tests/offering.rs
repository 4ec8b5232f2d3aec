//! Rules 1 to 4: who is offered what, and in which order.

use super::world::{World, check, raise};

#[test]
fn an_arriving_notification_goes_to_every_eligible_agent() {
    let mut world = World::new();
    check(world.provider("bot"), "bot: welcome");
    check(world.agent("ada"), "ada: welcome presence=available");
    world.agent("bob");
    world.agent("bob#2");
    check(
        world.notify("bot", raise(1)),
        "bot: ack n1
         ada: show n1 120000
         bob: show n1 120000
         bob#2: show n1 120000",
    );
}

#[test]
fn an_audience_is_the_named_agents_and_the_members_of_the_named_groups_each_once() {
    let mut world = World::new();
    world.provider("bot");
    world.agent_in("ada", &["g", "h"]);
    world.agent_in("bob", &["h"]);
    world.agent("cy");
    world.agent("dan");
    check(
        world.notify("bot", raise(1).agents(&["ada", "cy"]).groups(&["g", "h"])),
        "bot: ack n1
         ada: show n1 120000
         bob: show n1 120000
         cy: show n1 120000",
    );
    check(world.notify("bot", raise(2).groups(&["nobody's"])), "bot: ack n2");
}

#[test]
fn a_desk_displays_three_and_has_ten_waiting_then_all_are_passed_over() {
    let mut world = World::new();
    world.provider("bot");
    world.agent("ada");
    for number in 1..=13 {
        world.notify("bot", raise(number));
    }
    assert_eq!(world.desk("ada"), "n1 n2 n3 | n4 n5 n6 n7 n8 n9 n10 n11 n12 n13");
    check(
        world.notify("bot", raise(14)),
        "bot: ack n14
         log: full all
         bot: n14 QueueFull (0/0/0)",
    );
    check(world.notify("bot", raise(15).agents(&["ada"])), "bot: ack n15\nlog: full ada/\nbot: n15 QueueFull (0/0/0)");
}

#[test]
fn an_agent_with_a_full_desk_is_passed_over_while_another_has_room() {
    let mut world = World::with_limits(|limits| (limits.display_limit, limits.queue_limit) = (1, 1));
    world.provider("bot");
    world.agent("ada");
    world.agent("bob");
    world.notify("bot", raise(1).agents(&["ada"]));
    world.notify("bot", raise(2).agents(&["ada"]));
    check(world.notify("bot", raise(3)), "bot: ack n3\nbob: show n3 120000");
    assert_eq!((world.desk("ada"), world.desk("bob")), ("n1 | n2".into(), "n3 |".into()));
    // The place in ada's queue falls to what passed her over.
    check(
        world.accept("ada", 1),
        "ada: close n1 Accepted by ada
         ada: session 00000000-0000-0000-0000-000000000001(n1)
         bot: n1 Accepted by ada (1/0/0)
         ada: answer n1 Accepted by ada won
         ada: show n2 120000",
    );
    assert_eq!(world.desk("ada"), "n2 | n3");
}

#[test]
fn without_an_eligible_agent_as_many_of_one_audience_wait_as_the_queue_is_long() {
    let mut world = World::with_limits(|limits| limits.queue_limit = 2);
    world.provider("bot");
    let ada = |number| raise(number).agents(&["ada"]);
    check(world.notify("bot", ada(1)), "bot: ack n1");
    check(world.notify("bot", ada(2)), "bot: ack n2");
    check(world.notify("bot", ada(3)), "bot: ack n3\nlog: full ada/\nbot: n3 QueueFull (0/0/0)");
    // Another audience has its own count, though ada is in it.
    check(world.notify("bot", ada(4).groups(&["g"])), "bot: ack n4");
    check(world.notify("bot", raise(5)), "bot: ack n5");
    check(world.agent("ada"), "ada: welcome presence=available desk=n1@120000,n2@120000,n4@120000");
    assert_eq!(world.desk("ada"), "n1 n2 n4 | n5");
}

#[test]
fn what_was_displayed_once_no_longer_counts_among_the_waiting() {
    let mut world = World::with_limits(|limits| limits.queue_limit = 1);
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1));
    world.notify("bot", raise(2));
    world.leave("ada");
    check(world.notify("bot", raise(3)), "bot: ack n3");
    check(world.notify("bot", raise(4)), "bot: ack n4\nlog: full all\nbot: n4 QueueFull (0/0/0)");
}

#[test]
fn a_queue_of_none_lets_nothing_wait() {
    let mut world = World::with_limits(|limits| (limits.display_limit, limits.queue_limit) = (1, 0));
    world.provider("bot");
    check(world.notify("bot", raise(1)), "bot: ack n1\nlog: full all\nbot: n1 QueueFull (0/0/0)");
    world.agent("ada");
    check(world.notify("bot", raise(2)), "bot: ack n2\nada: show n2 120000");
    check(world.notify("bot", raise(3)), "bot: ack n3\nlog: full all\nbot: n3 QueueFull (0/0/0)");
}

#[test]
fn who_becomes_eligible_is_offered_everything_open_in_order_of_arrival_less_what_they_rejected() {
    let mut world = World::with_limits(|limits| limits.display_limit = 2);
    world.provider("bot");
    world.agent_in("ada", &["g"]);
    world.agent("bob");
    world.notify("bot", raise(1).first_accept());
    world.notify("bot", raise(2).groups(&["g"]));
    world.reject("ada", 1);
    world.leave("ada");
    world.notify("bot", raise(3).groups(&["g"]));
    world.notify("bot", raise(4).agents(&["ada"]));
    check(world.agent("ada"), "ada: welcome presence=available groups=g desk=n2@120000,n3@120000");
    assert_eq!(world.desk("ada"), "n2 n3 | n4");
}

#[test]
fn a_free_place_is_taken_by_the_first_that_waits_and_its_place_by_the_oldest_passed_over() {
    let mut world = World::with_limits(|limits| (limits.display_limit, limits.queue_limit) = (1, 2));
    world.provider("bot");
    world.agent("ada");
    world.agent("bob");
    for number in 1..=3 {
        world.notify("bot", raise(number).agents(&["ada"]));
    }
    for number in 4..=6 {
        world.notify("bot", raise(number).agents(&["ada", "bob"]));
    }
    assert_eq!((world.desk("ada"), world.desk("bob")), ("n1 | n2 n3".into(), "n4 | n5 n6".into()));
    world.reject("ada", 1);
    assert_eq!(world.desk("ada"), "n2 | n3 n4");
    check(
        world.accept("bob", 4),
        "bob: close n4 Accepted by bob
         bob: session 00000000-0000-0000-0000-000000000004(n4)
         bot: n4 Accepted by bob (1/0/0)
         bob: answer n4 Accepted by bob won
         bob: show n5 120000",
    );
    assert_eq!((world.desk("ada"), world.desk("bob")), ("n2 | n3 n5".into(), "n5 | n6".into()));
}

#[test]
fn a_desk_is_dissolved_with_the_last_tab_and_built_anew_on_return() {
    let mut world = World::with_limits(|limits| limits.display_limit = 1);
    world.provider("bot");
    world.agent("ada");
    world.agent("ada#2");
    world.notify("bot", raise(1));
    world.notify("bot", raise(2));
    check(world.leave("ada"), "");
    assert_eq!(world.desk("ada"), "n1 | n2");
    check(world.leave("ada#2"), "");
    assert_eq!(world.desk("ada"), "|");
    world.wait(1_000);
    check(world.agent("ada"), "ada: welcome presence=available desk=n1@119000");
    assert_eq!(world.desk("ada"), "n1 | n2");
}

#[test]
fn what_is_due_frees_its_place_before_the_message_of_the_same_step_is_looked_at() {
    let mut world = World::with_limits(|limits| (limits.display_limit, limits.queue_limit) = (1, 1));
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).timeout(500));
    world.notify("bot", raise(2));
    world.oversleep(1_000);
    // n1 is over: n2 is displayed, and n3 takes its place in the queue.
    check(
        world.notify("bot", raise(3)),
        "ada: close n1 DisplayTimeout
         bot: n1 DisplayTimeout (1/0/0)
         bot: ack n3
         ada: show n2 120000",
    );
    assert_eq!(world.desk("ada"), "n2 | n3");
}

#[test]
fn several_tabs_see_the_same_and_a_new_one_sees_it_in_its_welcome() {
    let mut world = World::new();
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1));
    check(world.agent("ada#2"), "ada#2: welcome presence=available desk=n1@120000");
    check(
        world.reject("ada#2", 1),
        "ada: close n1 Declined by ada
         ada#2: close n1 Declined by ada
         bot: n1 Declined by ada (1/0/1)
         ada#2: answer n1 Declined by ada won",
    );
}

#[test]
fn nothing_crosses_workspaces() {
    let mut world = World::new();
    world.provider("acme:bot");
    world.agent("ada");
    world.agent("acme:ada");
    check(world.notify("acme:bot", raise(1).session("s").token("t")), "acme:bot: ack n1\nacme:ada: show n1 120000");
    check(world.accept("ada", 1), "ada: refused NotificationUnknownToAgent");
    world.provider("bot");
    check(world.cancel("bot", "t"), "bot: refused TokenNotFound");
    world.accept("acme:ada", 1);
    check(world.accept("ada", 1), "ada: refused NotificationUnknownToAgent");
    check(world.activity("bot", "s", 1), "bot: refused SessionNotFound");
    check(world.mark("bot", "s", "late"), "bot: done\nada: kpi s(late)@0");
    check(world.provider_from("bot#2", crate::entry::Resume::All), "bot#2: welcome");
}

#[test]
fn changed_limits_are_filled_at_once_and_take_nothing_displayed_away() {
    let mut world = World::with_limits(|limits| (limits.display_limit, limits.queue_limit) = (2, 2));
    world.provider("bot");
    world.agent("ada");
    for number in 1..=4 {
        world.notify("bot", raise(number));
    }
    check(world.configure(|limits| (limits.display_limit, limits.queue_limit) = (1, 1)), "");
    assert_eq!(world.desk("ada"), "n1 n2 | n3");
    check(world.configure(|limits| (limits.display_limit, limits.queue_limit) = (3, 10)), "ada: show n3 120000");
    assert_eq!(world.desk("ada"), "n1 n2 n3 | n4");
}

#[test]
fn a_higher_priority_is_displayed_first_and_takes_no_place_from_what_has_one() {
    let mut world = World::with_limits(|limits| (limits.display_limit, limits.queue_limit) = (1, 2));
    world.provider("bot");
    world.agent("ada");
    for (number, priority) in [(1, 0), (2, 0), (3, 5), (4, 9)] {
        world.notify("bot", raise(number).priority(priority));
    }
    // The queue was full when the fourth arrived, so that it was refused; the third waits before the second.
    assert_eq!(world.desk("ada"), "n1 | n3 n2");
    world.accept("ada", 1);
    world.notify("bot", raise(5).priority(7));
    world.accept("ada", 3);
    assert_eq!(world.desk("ada"), "n5 | n2");
}

#[test]
fn a_free_place_goes_to_the_highest_priority_even_if_the_queue_was_full_when_it_arrived() {
    let mut world = World::with_limits(|limits| (limits.display_limit, limits.queue_limit) = (1, 1));
    world.provider("bot");
    world.agent("ada");
    world.agent("bob");
    world.notify("bot", raise(1).agents(&["ada"]));
    world.notify("bot", raise(2).agents(&["ada"]));
    world.notify("bot", raise(3).priority(9));
    assert_eq!((world.desk("ada"), world.desk("bob")), ("n1 | n2".to_owned(), "n3 |".to_owned()));
    world.accept("ada", 1);
    assert_eq!(world.desk("ada"), "n3 | n2");
}

#[test]
fn an_agent_who_returns_finds_the_highest_priority_first() {
    let mut world = World::with_limits(|limits| limits.display_limit = 2);
    world.provider("bot");
    for (number, priority) in [(1, 0), (2, 1), (3, 0), (4, 9)] {
        world.notify("bot", raise(number).priority(priority));
    }
    world.agent("ada");
    assert_eq!(world.desk("ada"), "n4 n2 | n1 n3");
}

#[test]
fn a_place_that_becomes_free_as_a_notification_arrives_goes_to_the_higher_priority() {
    let mut world = World::with_limits(|limits| limits.display_limit = 1);
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).timeout(1_000));
    world.notify("bot", raise(2));
    // The display time of the first ends in the step in which the third arrives.
    world.oversleep(1_000);
    world.notify("bot", raise(3).priority(1));
    assert_eq!(world.desk("ada"), "n3 | n2");
    world.accept("ada", 3);
    assert_eq!(world.desk("ada"), "n2 |");
}

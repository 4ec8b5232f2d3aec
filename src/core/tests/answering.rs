//! Rule 7: answers, `seen`, and late answers.

use super::world::{World, check, raise};
use crate::entry::{AgentAction, Presence};
use crate::ids::NotificationId;

fn two_agents() -> World {
    let mut world = World::new();
    world.provider("bot");
    world.agent("ada");
    world.agent("bob");
    world
}

#[test]
fn the_first_answer_settles_it_and_every_later_one_is_told_what_did() {
    let mut world = two_agents();
    world.notify("bot", raise(1).session("s"));
    check(
        world.call_as("ada", Some("a-1".into()), AgentAction::Accept { notification_id: NotificationId(1) }),
        "ada: close n1 Accepted by ada
         bob: close n1 Accepted by ada
         ada: session s(n1)
         bot: n1 Accepted by ada (2/0/0)
         ada: [a-1] answer n1 Accepted by ada won",
    );
    check(world.reject("bob", 1), "bob: answer n1 Accepted by ada");
    check(world.reject("ada", 1), "ada: answer n1 Accepted by ada won");
    // It is per agent, not per connection; and who never saw it is told too, once it is settled.
    check(world.agent("ada#2"), "ada#2: welcome presence=available sessions=s(n1)");
    check(world.accept("ada#2", 1), "ada#2: answer n1 Accepted by ada won");
    world.agent("cy");
    check(world.accept("cy", 1), "cy: answer n1 Accepted by ada");
}

#[test]
fn a_reject_settles_it_too_and_its_reason_goes_to_the_provider() {
    let mut world = two_agents();
    world.notify("bot", raise(1));
    let reject = AgentAction::Reject { notification_id: NotificationId(1), reason: Some("on break".into()) };
    check(
        world.call("bob", reject),
        "ada: close n1 Declined by bob
         bob: close n1 Declined by bob
         bot: n1 Declined by bob (2/0/1) because on break
         bob: answer n1 Declined by bob won",
    );
    check(world.accept("ada", 1), "ada: answer n1 Declined by bob");
}

#[test]
fn only_who_had_it_displayed_may_answer_an_open_one() {
    let mut world = World::with_limits(|limits| limits.display_limit = 1);
    world.provider("bot");
    world.agent("ada");
    world.agent("bob");
    world.notify("bot", raise(1).agents(&["ada"]));
    world.notify("bot", raise(2).agents(&["ada"]));
    check(world.accept("bob", 1), "bob: refused NotificationUnknownToAgent");
    check(world.accept("ada", 2), "ada: refused NotificationUnknownToAgent");
    check(world.accept("ada", 99), "ada: refused NotificationUnknownToAgent");
    check(world.seen("bob", 1), "");
    check(
        world.reject("ada", 1),
        "ada: close n1 Declined by ada\nbot: n1 Declined by ada (1/0/1)\nada: answer n1 Declined by ada won\nada: show n2 120000",
    );
}

#[test]
fn who_had_it_displayed_before_may_still_answer() {
    let mut world = World::with_limits(|limits| limits.display_limit = 1);
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).agents(&["ada"]));
    world.leave("ada");
    world.agent_with("ada", None, Some(Presence::Away));
    assert_eq!(world.desk("ada"), "|");
    check(
        world.accept("ada", 1),
        "ada: session 00000000-0000-0000-0000-000000000001(n1)
         bot: n1 Accepted by ada (1/0/0)
         ada: answer n1 Accepted by ada won",
    );
}

#[test]
fn seen_counts_each_agent_once_and_only_who_it_was_displayed_to() {
    let mut world = two_agents();
    world.agent_with("cy", None, Some(Presence::Away));
    world.notify("bot", raise(1).token("t"));
    for client in ["ada", "ada", "cy"] {
        check(world.seen(client, 1), "");
    }
    check(
        world.cancel("bot", "t"),
        "ada: close n1 Cancelled
         bob: close n1 Cancelled
         bot: n1 Cancelled (2/1/0)
         bot: cancel t = n1 Cancelled",
    );
    check(world.seen("ada", 1), "");
}

#[test]
fn under_first_accept_a_reject_takes_it_off_that_desk_only() {
    let mut world = two_agents();
    world.agent("ada#2");
    world.notify("bot", raise(1).first_accept());
    check(
        world.reject("ada#2", 1),
        "ada: close n1 still open
         ada#2: close n1 still open
         ada#2: answer n1 still open",
    );
    check(world.accept("ada", 1), "ada: answer n1 still open");
    check(world.reject("ada", 1), "ada: answer n1 still open");
    check(
        world.accept("bob", 1),
        "bob: close n1 Accepted by bob
         bob: session 00000000-0000-0000-0000-000000000001(n1)
         bot: n1 Accepted by bob (2/0/1)
         bob: answer n1 Accepted by bob won",
    );
    check(world.accept("ada", 1), "ada: answer n1 Accepted by bob");
}

#[test]
fn under_first_accept_the_reject_that_leaves_nobody_settles_it() {
    let mut world = two_agents();
    world.notify("bot", raise(1).first_accept());
    world.reject("ada", 1);
    check(
        world.reject("bob", 1),
        "bob: close n1 Declined by bob
         bot: n1 Declined by bob (2/0/2)
         bob: answer n1 Declined by bob won",
    );
    check(world.reject("ada", 1), "ada: answer n1 Declined by bob");
}

#[test]
fn under_first_accept_an_agent_for_whom_it_waits_or_who_was_passed_over_is_left() {
    let mut world = World::with_limits(|limits| (limits.display_limit, limits.queue_limit) = (1, 1));
    world.provider("bot");
    world.agent("ada");
    world.agent("bob");
    world.notify("bot", raise(1).agents(&["bob"]));
    world.notify("bot", raise(2).first_accept());
    check(world.reject("ada", 2), "ada: close n2 still open\nada: answer n2 still open");
    world.notify("bot", raise(3).agents(&["ada"]));
    world.notify("bot", raise(4).agents(&["ada"]));
    // n2 waits for bob; n5 passes bob over, whose queue is full, and is displayed to nobody but cy.
    world.agent("cy");
    world.reject("cy", 2);
    world.notify("bot", raise(5).first_accept());
    check(world.reject("cy", 5), "cy: close n5 still open\ncy: answer n5 still open");
    assert_eq!(world.desk("bob"), "n1 | n2");
}

#[test]
fn under_first_accept_who_is_away_and_has_it_displayed_is_left_and_who_has_not_is_not() {
    let mut world = two_agents();
    world.notify("bot", raise(1).first_accept());
    world.presence("bob", Presence::Away);
    check(world.reject("ada", 1), "ada: close n1 still open\nada: answer n1 still open");
    world.presence("ada", Presence::Away);
    check(
        world.reject("bob", 1),
        "bob: close n1 Declined by bob\nbot: n1 Declined by bob (2/0/2)\nbob: answer n1 Declined by bob won",
    );
    world.presence("ada", Presence::Available);
    world.notify("bot", raise(2).first_accept());
    check(
        world.reject("ada", 2),
        "ada: close n2 Declined by ada\nbot: n2 Declined by ada (1/0/1)\nada: answer n2 Declined by ada won",
    );
}

#[test]
fn leaving_never_settles_it() {
    let mut world = two_agents();
    world.notify("bot", raise(1).first_accept().timeout(1_000));
    world.reject("ada", 1);
    check(world.leave("bob"), "");
    check(world.agent("ada#2"), "ada#2: welcome presence=available");
    check(world.wait(1_000), "bot: n1 DisplayTimeout (2/0/1)");
}

#[test]
fn two_answers_in_one_group_are_ordered_by_the_group() {
    let mut world = two_agents();
    world.notify("bot", raise(1).session("s"));
    world.gather();
    world.accept("bob", 1);
    world.accept("ada", 1);
    check(
        world.together(),
        "ada: close n1 Accepted by bob
         bob: close n1 Accepted by bob
         bob: session s(n1)
         bot: n1 Accepted by bob (2/0/0)
         bob: answer n1 Accepted by bob won
         ada: answer n1 Accepted by bob",
    );
}

#[test]
fn a_refusal_tells_nothing_of_a_notification_that_is_not_the_agents() {
    let mut world = two_agents();
    world.notify("bot", raise(1).agents(&["ada"]));
    world.accept("bob", 1);
    let refused = world.effects.last().expect("a record").concat();
    assert!(refused.contains("Refused") && refused.contains("correlation_id: None"), "{refused}");
}

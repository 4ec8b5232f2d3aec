//! Rule 8: automatic accepts.

use super::world::{World, check, raise};
use crate::entry::Presence;
use crate::ids::Millis;

#[test]
fn an_automatic_one_goes_to_the_longest_idle_with_room_and_is_displayed_to_nobody() {
    let mut world = World::new();
    world.provider("bot");
    world.agent("bob");
    world.agent("ada");
    check(
        world.notify("bot", raise(1).auto().session("s1")),
        "bot: ack n1
         ada: session s1(n1)
         bot: n1 AutoAccepted by ada (0/0/0)",
    );
    world.wait(10);
    // bob never accepted; then ada has been idle longest.
    check(
        world.notify("bot", raise(2).auto().session("s2")),
        "bot: ack n2\nbob: session s2(n2)\nbot: n2 AutoAccepted by bob (0/0/0)",
    );
    world.wait(10);
    check(
        world.notify("bot", raise(3).auto().session("s3")),
        "bot: ack n3\nada: session s3(n3)\nbot: n3 AutoAccepted by ada (0/0/0)",
    );
    check(world.accept("ada", 3), "ada: answer n3 AutoAccepted by ada");
}

#[test]
fn among_accepts_of_one_millisecond_the_earlier_one_is_longer_ago() {
    let mut world = World::new();
    world.provider("bot");
    world.agent("ada");
    world.agent("bob");
    for (n, first) in [(1, "bob"), (2, "ada")] {
        world.notify("bot", raise(n).agents(&[first]));
        world.accept(first, n);
    }
    check(
        world.notify("bot", raise(3).auto().session("s3")),
        "bot: ack n3\nbob: session s3(n3)\nbot: n3 AutoAccepted by bob (0/0/0)",
    );
}

#[test]
fn an_accept_of_any_kind_is_an_accept() {
    let mut world = World::new();
    world.provider("bot");
    world.agent("ada");
    world.agent("bob");
    world.notify("bot", raise(1));
    world.wait(10);
    world.accept("ada", 1);
    world.notify("bot", raise(2).agents(&["bob"]).timeout(100).auto_on_timeout().session("s2"));
    check(
        world.wait(100),
        "bob: close n2 AutoAcceptedOnTimeout by bob
         bob: session s2(n2)
         bot: n2 AutoAcceptedOnTimeout by bob (1/0/0)",
    );
    check(
        world.notify("bot", raise(3).auto().session("s3")),
        "bot: ack n3\nada: session s3(n3)\nbot: n3 AutoAccepted by ada (0/0/0)",
    );
}

#[test]
fn with_nobody_to_take_it_it_waits_and_goes_to_who_comes_with_room() {
    let mut world = World::with_limits(|limits| limits.display_limit = 1);
    world.provider("bot");
    check(world.notify("bot", raise(1).auto().session("s1")), "bot: ack n1");
    check(world.agent("ada"), "ada: welcome presence=available sessions=s1(n1)\nbot: n1 AutoAccepted by ada (0/0/0)");
    world.notify("bot", raise(2));
    check(world.notify("bot", raise(3).auto().session("s3")), "bot: ack n3");
    world.notify("bot", raise(4));
    assert_eq!(world.desk("ada"), "n2 | n3 n4");
    check(
        world.reject("ada", 2),
        "ada: close n2 Declined by ada
         bot: n2 Declined by ada (1/0/1)
         ada: answer n2 Declined by ada won
         ada: session s3(n3)
         bot: n3 AutoAccepted by ada (0/0/0)
         ada: show n4 120000",
    );
}

#[test]
fn a_waiting_automatic_one_has_a_queue_time() {
    let mut world = World::new();
    world.provider("bot");
    world.notify("bot", raise(1).auto().queue_timeout(500));
    check(world.wait(500), "bot: n1 QueueTimeout (0/0/0)");
}

#[test]
fn waiting_ones_go_by_arrival_each_to_the_longest_idle() {
    let mut world = World::with_limits(|limits| limits.display_limit = 1);
    world.provider("bot");
    world.agent_with("ada", None, Some(Presence::Away));
    world.notify("bot", raise(1).auto().session("s1").agents(&["ada"]));
    world.notify("bot", raise(2).auto().session("s2").agents(&["ada"]));
    check(
        world.presence("ada", Presence::Available),
        "ada: presence available
         ada: session s1(n1)
         bot: n1 AutoAccepted by ada (0/0/0)
         ada: session s2(n2)
         bot: n2 AutoAccepted by ada (0/0/0)",
    );
}

#[test]
fn an_agent_at_the_session_limit_gets_none_until_a_session_ends() {
    let mut world = World::with_limits(|limits| limits.session_limit = 1);
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).auto().session("s1"));
    check(world.notify("bot", raise(2).auto().session("s2")), "bot: ack n2");
    // It waits; others are displayed past it.
    check(world.notify("bot", raise(3)), "bot: ack n3\nada: show n3 120000");
    check(
        world.end_session("ada", "s1"),
        "ada: done
         ada: session s1 ended
         ada: session s2(n2)
         bot: n2 AutoAccepted by ada (0/0/0)",
    );
    // An accept of the agent's own is not limited; an automatic one on timeout is.
    world.accept("ada", 3);
    world.notify("bot", raise(4).auto_on_timeout().timeout(100));
    check(world.wait(100), "ada: close n4 DisplayTimeout\nbot: n4 DisplayTimeout (1/0/0)");
}

#[test]
fn an_accept_that_ends_anothers_session_makes_room_for_what_waited_for_that_agent() {
    let mut world = World::with_limits(|limits| (limits.session_limit, limits.sessions) = (1, 1));
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).auto().session("s1"));
    check(world.notify("bot", raise(2).auto().session("s2").agents(&["ada"])), "bot: ack n2");
    world.notify("bot", raise(3).auto().session("s3").agents(&["bob"]));
    // bob takes n3, whose session ends ada's, so ada takes n2, whose session ends bob's.
    check(
        world.agent("bob"),
        "bob: welcome presence=available
         ada: session s1 ended
         bot: n3 AutoAccepted by bob (0/0/0)
         ada: session s2(n2)
         bot: n2 AutoAccepted by ada (0/0/0)",
    );
}

#[test]
fn what_waited_goes_before_what_arrives_in_the_step_that_makes_room() {
    let mut world = World::with_limits(|limits| (limits.display_limit, limits.session_limit) = (1, 1));
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).timeout(500));
    world.notify("bot", raise(2).auto().session("s2"));
    world.oversleep(1_000);
    check(
        world.notify("bot", raise(3).auto().session("s3")),
        "ada: close n1 DisplayTimeout
         bot: n1 DisplayTimeout (1/0/0)
         bot: ack n3
         ada: session s2(n2)
         bot: n2 AutoAccepted by ada (0/0/0)",
    );
}

#[test]
fn a_full_queue_of_automatic_ones_is_passed_by_what_can_be_displayed() {
    let mut world = World::with_limits(|limits| (limits.session_limit, limits.queue_limit) = (0, 1));
    world.provider("bot");
    world.agent("ada");
    check(world.notify("bot", raise(1).auto()), "bot: ack n1");
    check(world.notify("bot", raise(2).auto()), "bot: ack n2\nlog: full all\nbot: n2 QueueFull (0/0/0)");
    check(world.notify("bot", raise(3)), "bot: ack n3\nada: show n3 120000");
    assert_eq!(world.desk("ada"), "n3 | n1");
}

#[test]
fn on_timeout_it_goes_to_the_available_before_the_away_then_to_the_longest_idle() {
    let mut world = World::new();
    world.provider("bot");
    for agent in ["ada", "bob", "cy"] {
        world.agent(agent);
    }
    world.notify("bot", raise(1).agents(&["bob"]));
    world.accept("bob", 1);
    let timed = |number, session| raise(number).auto_on_timeout().timeout(100).session(session);
    world.notify("bot", timed(2, "s2"));
    world.presence("ada", Presence::Away);
    world.leave("cy");
    check(
        world.wait(100),
        "ada: close n2 AutoAcceptedOnTimeout by bob
         bob: close n2 AutoAcceptedOnTimeout by bob
         bob: session s2(n2)
         bot: n2 AutoAcceptedOnTimeout by bob (3/0/0)",
    );
    world.notify("bot", timed(3, "s3"));
    world.presence("bob", Presence::Away);
    world.leave("ada");
    check(
        world.wait(100),
        "bob: close n3 AutoAcceptedOnTimeout by bob
         bob: session s3(n3)
         bot: n3 AutoAcceptedOnTimeout by bob (1/0/0)",
    );
}

#[test]
fn on_timeout_without_anybody_who_has_it_displayed_it_is_a_timeout() {
    let mut world = World::new();
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).auto_on_timeout().timeout(100));
    world.leave("ada");
    check(world.wait(100), "bot: n1 DisplayTimeout (1/0/0)");
    // Under firstAccept who rejected it no longer has it.
    world.agent("ada");
    world.agent("bob");
    world.notify("bot", raise(2).auto_on_timeout().first_accept().timeout(100).session("s2"));
    world.reject("ada", 2);
    check(
        world.wait(100),
        "bob: close n2 AutoAcceptedOnTimeout by bob
         bob: session s2(n2)
         bot: n2 AutoAcceptedOnTimeout by bob (2/0/1)",
    );
}

#[test]
fn a_session_that_ends_idle_before_a_display_time_does_so_first() {
    let mut world = World::with_limits(|limits| (limits.session_limit, limits.session_idle) = (1, Millis(1_000)));
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).auto().session("s1"));
    world.wait(500);
    world.notify("bot", raise(2).auto_on_timeout().timeout(600).session("s2"));
    world.oversleep(5_000);
    check(
        world.tick(),
        "ada: session s1 ended
         ada: close n2 AutoAcceptedOnTimeout by ada
         ada: session s2(n2)
         bot: n2 AutoAcceptedOnTimeout by ada (1/0/0)",
    );
}

#[test]
fn a_mark_that_an_accept_touches_in_time_outlives_a_session_that_ends_before_it() {
    let mut world = World::with_limits(|limits| limits.session_idle = Millis(2_000));
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).auto().session("s1"));
    world.wait(800);
    world.notify("bot", raise(2).auto_on_timeout().timeout(1_300).session("s2"));
    world.mark("bot", "s2", "slow");
    world.oversleep(3_000);
    // s1 at 2 000, n2 at 2 100, which touches the mark of 2 800.
    check(
        world.tick(),
        "ada: session s1 ended
         ada: close n2 AutoAcceptedOnTimeout by ada
         ada: session s2!(n2)
         bot: n2 AutoAcceptedOnTimeout by ada (1/0/0)",
    );
}

#[test]
fn a_provider_that_joins_in_the_step_that_settles_is_not_told_that_it_is_open() {
    let mut world = World::with_limits(|limits| limits.display_limit = 1);
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).timeout(500));
    world.notify("bot", raise(2).auto().session("s"));
    world.oversleep(1_000);
    check(
        world.provider_from("bot#2", crate::entry::Resume::All),
        "bot#2: welcome
         ada: close n1 DisplayTimeout
         bot: n1 DisplayTimeout (1/0/0)
         ada: session s(n2)
         bot: n2 AutoAccepted by ada (0/0/0)
         bot#2: again n1 DisplayTimeout (1/0/0)
         bot#2: again n2 AutoAccepted by ada (0/0/0)",
    );
}

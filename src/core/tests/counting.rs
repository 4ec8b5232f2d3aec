//! Every count's bound, with small limits: what happens at it, and that what is past it is the right one.

use super::world::{World, check, raise};
use crate::entry::{Presence, Resume};

#[test]
fn past_the_open_notifications_a_notify_is_refused() {
    let mut world = World::with_limits(|limits| limits.open_notifications = 2);
    world.provider("bot");
    world.provider("acme:bot");
    world.notify("bot", raise(1).token("t"));
    world.notify("bot", raise(2));
    check(world.notify("bot", raise(3).id("a")), "bot: [a] refused OpenNotifications { limit: 2 }");
    check(world.notify("acme:bot", raise(4)), "acme:bot: ack n4");
    world.cancel("bot", "t");
    check(world.notify("bot", raise(3).id("a")), "bot: [a] ack n3");
}

#[test]
fn past_the_sessions_the_one_untouched_longest_ends() {
    let mut world = World::with_limits(|limits| limits.sessions = 2);
    world.provider("bot");
    world.agent("ada");
    // Within one millisecond: the order of the touches counts, not the name.
    for (number, session) in [(1, "z"), (2, "y")] {
        world.notify("bot", raise(number).session(session).auto());
    }
    world.activity("bot", "z", 1);
    world.mark("bot", "y", "slow");
    world.activity("bot", "z", 2);
    check(
        world.notify("bot", raise(3).session("a").auto()),
        "bot: ack n3
         ada: session a(n3)
         ada: session y ended
         ada: kpi y clear
         bot: n3 AutoAccepted by ada (0/0/0)",
    );
    check(world.agent("ada#2"), "ada#2: welcome presence=available sessions=a(n3),z+2(n1)");
}

#[test]
fn past_the_marks_the_one_untouched_longest_ends() {
    let mut world = World::with_limits(|limits| limits.kpi_marks = 2);
    world.provider("bot");
    world.agent("ada");
    world.mark("bot", "z", "1");
    world.mark("bot", "y", "2");
    world.mark("bot", "z", "3");
    check(world.mark("bot", "a", "4"), "bot: done\nada: kpi a(4)@0\nada: kpi y clear");
}

#[test]
fn past_the_retained_outcomes_the_oldest_are_forgotten() {
    let mut world = World::with_limits(|limits| limits.retained_outcomes = 2);
    world.provider("bot");
    for number in 1..=3 {
        world.notify("bot", raise(number).token("t"));
        world.cancel("bot", "t");
    }
    check(
        world.provider_from("bot#2", Resume::All),
        "bot#2: welcome\nbot#2: again n2 Cancelled (0/0/0)\nbot#2: again n3 Cancelled (0/0/0)",
    );
    let resume = world.position(0);
    let lines = world.provider_from("bot#3", resume);
    assert_eq!(lines[0], "bot#3: welcome missed=true");
}

#[test]
fn past_the_remembered_agents_the_oldest_are_forgotten() {
    let mut world = World::with_limits(|limits| limits.remembered_agents = 1);
    for agent in ["ada", "bob"] {
        world.agent_with(agent, Some(&["g"]), Some(Presence::Away));
    }
    world.leave("bob");
    world.wait(1);
    world.leave("ada");
    check(world.agent("bob"), "bob: welcome presence=available");
    check(world.agent("ada"), "ada: welcome presence=away groups=g");
}

#[test]
fn lowered_limits_hold_at_once() {
    let mut world = World::new();
    world.provider("bot");
    world.agent("ada");
    for number in 1..=3 {
        world.notify("bot", raise(number).session(&format!("s{number}")).auto());
        world.mark("bot", &format!("s{number}"), "slow");
        world.agent(&format!("x{number}"));
        world.leave(&format!("x{number}"));
    }
    check(
        world.configure(|limits| {
            (limits.sessions, limits.kpi_marks, limits.retained_outcomes, limits.remembered_agents) = (2, 1, 1, 1);
        }),
        "ada: session s1 ended
         ada: kpi s1 clear
         ada: kpi s2 clear",
    );
    check(world.provider_from("bot#2", Resume::All), "bot#2: welcome\nbot#2: again n3 AutoAccepted by ada (0/0/0)");
}

#[test]
fn a_calls_cost_is_the_connections_that_it_would_go_to() {
    let mut world = World::new();
    world.provider("bot");
    world.agent_in("ada", &["g", "h"]);
    world.agent("ada#2");
    world.agent_in("bob", &["h"]);
    let cost = |world: &World, raise: super::world::Raise| world.core.cost("default", &raise.action());
    assert_eq!(cost(&world, raise(1)), 3);
    assert_eq!(cost(&world, raise(1).agents(&["ada"]).groups(&["g", "h"])), 3);
    assert_eq!(cost(&world, raise(1).groups(&["g"])), 2);
    assert_eq!(cost(&world, raise(1).agents(&["nobody"])), 0);
    world.leave("ada#2");
    world.leave("bob");
    assert_eq!(cost(&world, raise(1)), 1);
}

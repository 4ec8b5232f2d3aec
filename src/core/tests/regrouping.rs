//! Rule 10: after a start nothing is refused until the agents are back.

use super::world::{World, check, raise};

/// One place on each desk, one in each queue; ada and bob were there when the hub went.
fn restarted() -> World {
    let mut world = World::with_limits(|limits| (limits.display_limit, limits.queue_limit) = (1, 1));
    world.agent("ada");
    world.agent("bob");
    check(world.restart(), "log: hub removed");
    world.provider("bot");
    world
}

#[test]
fn until_the_agents_are_back_nothing_is_refused() {
    let mut world = restarted();
    for number in 1..=3 {
        check(world.notify("bot", raise(number)), &format!("bot: ack n{number}"));
    }
    // Rule 2 refuses nothing either: ada is back, bob is not.
    check(world.agent("ada"), "ada: welcome presence=available desk=n1@120000");
    check(world.notify("bot", raise(4)), "bot: ack n4");
    check(world.agent("bob"), "bob: welcome presence=available desk=n1@120000");
    check(world.notify("bot", raise(5)), "bot: ack n5\nlog: full all\nbot: n5 QueueFull (0/0/0)");
    // What waited is still there.
    world.accept("ada", 1);
    assert_eq!(world.desk("ada"), "n2 | n3");
}

#[test]
fn it_lasts_at_most_the_regroup_time() {
    let mut world = restarted();
    world.notify("bot", raise(1));
    world.oversleep(9_999);
    check(world.notify("bot", raise(2)), "bot: ack n2");
    world.oversleep(1);
    check(world.notify("bot", raise(3)), "bot: ack n3\nlog: full all\nbot: n3 QueueFull (0/0/0)");
}

#[test]
fn each_start_waits_for_those_whom_it_lost_only() {
    let mut world = restarted();
    world.leave("bot");
    world.agent("bob");
    world.wait(9_000);
    // ada is waited for until 10 s after the first start, bob after the second.
    world.restart();
    world.provider("bot");
    world.wait(500);
    world.agent("bob");
    check(world.notify("bot", raise(1)), "bot: ack n1\nbob: show n1 120000");
    world.notify("bot", raise(2));
    check(world.notify("bot", raise(3)), "bot: ack n3");
    world.wait(500);
    check(world.notify("bot", raise(4)), "bot: ack n4\nlog: full all\nbot: n4 QueueFull (0/0/0)");
}

#[test]
fn without_agents_before_there_is_nobody_to_wait_for() {
    let mut world = World::with_limits(|limits| limits.queue_limit = 1);
    world.agent("ada");
    world.leave("ada");
    world.restart();
    world.provider("bot");
    world.notify("bot", raise(1));
    check(world.notify("bot", raise(2)), "bot: ack n2\nlog: full all\nbot: n2 QueueFull (0/0/0)");
}

#[test]
fn the_count_of_open_notifications_holds_all_the_same() {
    let mut world = World::with_limits(|limits| (limits.queue_limit, limits.open_notifications) = (1, 2));
    world.agent("ada");
    world.restart();
    world.provider("bot");
    world.notify("bot", raise(1));
    check(world.notify("bot", raise(2)), "bot: ack n2");
    check(world.notify("bot", raise(3)), "bot: refused OpenNotifications { limit: 2 }");
}

#[test]
fn a_workspace_waits_for_its_own_agents_only() {
    let mut world = World::with_limits(|limits| limits.queue_limit = 1);
    world.agent("acme:ada");
    world.restart();
    world.provider("bot");
    world.notify("bot", raise(1));
    check(world.notify("bot", raise(2)), "bot: ack n2\nlog: full all\nbot: n2 QueueFull (0/0/0)");
    world.provider("acme:bot");
    world.notify("acme:bot", raise(3));
    check(world.notify("acme:bot", raise(4)), "acme:bot: ack n4");
}

#[test]
fn a_restart_changes_nothing_but_who_is_connected() {
    let mut world = World::new();
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).id("a").timeout(10_000));
    world.notify("bot", raise(2).timeout(3_000).auto_on_timeout());
    world.oversleep(5_000);
    // Who was connected is not when what ran out meanwhile is settled.
    check(world.restart(), "log: hub removed");
    check(
        world.provider_from("bot", crate::entry::Resume::All),
        "bot: welcome open=n1\nbot: again n2 DisplayTimeout (1/0/0)",
    );
    check(world.agent("ada"), "ada: welcome presence=available desk=n1@5000");
}

#[test]
fn records_of_a_removed_hub_and_records_that_come_again_change_nothing() {
    let mut world = World::new();
    world.provider("bot");
    world.notify("bot", raise(1));
    let late = world.records.last().expect("a record").clone();
    let before = serialized(&world);
    world.core.apply(&late, |_, _| panic!("applied twice"));
    assert_eq!(serialized(&world), before);
    world.restart();
    let before = serialized(&world);
    let mut later = late;
    later.group += 1;
    world.core.apply(&later, |_, _| panic!("of a removed hub"));
    assert_eq!(serialized(&world), before);
}

fn serialized(world: &World) -> Vec<u8> {
    postcard::to_allocvec(&world.core).expect("it serializes")
}

//! Rules 5 and 6: the queue time and the display time; and what the core forgets.

use super::world::{World, check, raise};
use crate::entry::{Presence, Resume};
use crate::ids::Millis;

#[test]
fn the_queue_time_runs_from_arrival_until_first_displayed() {
    let mut world = World::new();
    world.provider("bot");
    world.notify("bot", raise(1).queue_timeout(500));
    check(world.wait(499), "");
    check(world.wait(1), "bot: n1 QueueTimeout (0/0/0)");
    world.notify("bot", raise(2).queue_timeout(500));
    world.wait(400);
    check(world.agent("ada"), "ada: welcome presence=available desk=n2@120000");
    check(world.wait(119_999), "");
    check(world.wait(1), "ada: close n2 DisplayTimeout\nbot: n2 DisplayTimeout (1/0/0)");
}

#[test]
fn waiting_on_a_desk_is_queue_time_too() {
    let mut world = World::with_limits(|limits| limits.display_limit = 1);
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1));
    world.notify("bot", raise(2).queue_timeout(500));
    check(world.wait(500), "bot: n2 QueueTimeout (0/0/0)");
    assert_eq!(world.desk("ada"), "n1 |");
}

#[test]
fn the_display_time_never_restarts() {
    let mut world = World::new();
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).timeout(1_000).queue_timeout(100));
    world.wait(300);
    check(world.agent("bob"), "bob: welcome presence=available desk=n1@700");
    world.leave("ada");
    world.leave("bob");
    world.wait(300);
    check(world.agent("ada"), "ada: welcome presence=available desk=n1@400");
    world.leave("ada");
    check(world.wait(400), "bot: n1 DisplayTimeout (2/0/0)");
}

#[test]
fn nothing_past_its_time_is_displayed_or_answered_late() {
    let mut world = World::new();
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).timeout(500));
    world.notify("bot", raise(2).agents(&["bob"]).queue_timeout(500));
    world.oversleep(500);
    check(
        world.accept("ada", 1),
        "ada: close n1 DisplayTimeout
         bot: n1 DisplayTimeout (1/0/0)
         bot: n2 QueueTimeout (0/0/0)
         ada: answer n1 DisplayTimeout",
    );
    check(world.agent("bob"), "bob: welcome presence=available");
}

#[test]
fn what_is_due_goes_by_deadline_then_arrival() {
    let mut world = World::new();
    world.provider("bot");
    world.notify("bot", raise(1).queue_timeout(300));
    world.notify("bot", raise(2).queue_timeout(200));
    world.notify("bot", raise(3).queue_timeout(300));
    world.oversleep(1_000);
    check(
        world.tick(),
        "bot: n2 QueueTimeout (0/0/0)
         bot: n1 QueueTimeout (0/0/0)
         bot: n3 QueueTimeout (0/0/0)",
    );
}

#[test]
fn time_never_runs_back() {
    let mut world = World::new();
    world.provider("bot");
    world.notify("bot", raise(1).queue_timeout(1_000));
    world.wait(600);
    world.now -= 500;
    check(world.notify("bot", raise(2).queue_timeout(1_000)), "bot: ack n2");
    assert_eq!(world.core.now().0, world.now + 500);
    check(world.wait(900), "bot: n1 QueueTimeout (0/0/0)");
}

#[test]
fn a_tick_that_comes_early_changes_nothing() {
    let mut world = World::new();
    world.provider("bot");
    world.notify("bot", raise(1));
    world.wait(1_000);
    let due = world.core.next_deadline();
    check(world.wait(1_000), "");
    assert_eq!(world.core.next_deadline(), due);
}

#[test]
fn a_settled_notification_is_known_for_the_retention_time() {
    let mut world = World::with_limits(|limits| limits.retention = Millis(10_000));
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).id("a").token("t"));
    world.cancel("bot", "t");
    world.wait(9_999);
    check(world.accept("ada", 1), "ada: answer n1 Cancelled");
    check(world.cancel("bot", "t"), "bot: cancel t = n1 Cancelled");
    check(world.provider_from("bot#2", Resume::All), "bot#2: welcome\nbot#2: again n1 Cancelled (1/0/0)");
    world.oversleep(1);
    check(world.accept("ada", 1), "ada: refused NotificationUnknownToAgent");
    check(world.cancel("bot", "t"), "bot: refused TokenNotFound");
    check(world.provider_from("bot#3", Resume::All), "bot#3: welcome");
    check(world.notify("bot", raise(2).id("a")), "bot: [a] ack n2\nada: show n2 120000");
}

#[test]
fn an_agent_is_remembered_for_a_day_after_the_last_connection() {
    let mut world = World::new();
    world.agent_with("ada", Some(&["g"]), Some(Presence::Away));
    world.agent("ada#2");
    world.leave("ada");
    world.wait(1_000);
    world.leave("ada#2");
    world.oversleep(24 * 3_600_000 - 1);
    check(world.agent("ada"), "ada: welcome presence=away groups=g");
    world.leave("ada");
    world.oversleep(24 * 3_600_000);
    check(world.agent("ada"), "ada: welcome presence=available");
}

#[test]
fn an_idle_core_forgets_everything_in_the_end_and_asks_for_no_more_ticks() {
    let mut world = World::new();
    world.provider("bot");
    world.agent_in("ada", &["g"]);
    world.notify("bot", raise(1).agents(&["bob", "cy"]).groups(&["h"]).session("s"));
    world.notify("bot", raise(2).session("s"));
    world.accept("ada", 2);
    world.mark("bot", "s", "late");
    world.leave("ada");
    let lines = world.wait(48 * 3_600_000);
    check(lines, "bot: n1 QueueTimeout (0/0/0)");
    assert_eq!(world.core.next_deadline(), None);
    let (_, workspace) = world.core.all_workspaces().next().expect("the provider is still there");
    assert!(workspace.agents.is_empty() && workspace.groups.iter().next().is_none());
    assert!(workspace.sessions.is_empty());
}

//! Presence and groups, and what is remembered of them.

use super::world::{World, check, raise};
use crate::entry::Presence::{Available, Away};
use crate::entry::{Input, Joiner, Resume};

#[test]
fn presence_is_told_on_all_connections_of_the_agent() {
    let mut world = World::new();
    world.agent("ada");
    world.agent("ada#2");
    world.agent("bob");
    check(world.presence("ada", Away), "ada: presence away\nada#2: presence away");
    check(world.presence("ada", Away), "ada: presence away\nada#2: presence away");
    check(world.agent("ada#3"), "ada#3: welcome presence=away");
    check(
        world.agent_with("ada#4", None, Some(Available)),
        "ada#4: welcome presence=available
         ada: presence available
         ada#2: presence available
         ada#3: presence available",
    );
    check(world.agent_with("ada#5", None, Some(Available)), "ada#5: welcome presence=available");
}

#[test]
fn who_is_away_keeps_what_is_displayed_loses_what_waits_and_is_offered_nothing() {
    let mut world = World::with_limits(|limits| limits.display_limit = 1);
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1));
    world.notify("bot", raise(2).timeout(500));
    world.presence("ada", Away);
    assert_eq!(world.desk("ada"), "n1 |");
    check(world.notify("bot", raise(3)), "bot: ack n3");
    assert_eq!(world.desk("ada"), "n1 |");
    check(
        world.reject("ada", 1),
        "ada: close n1 Declined by ada\nbot: n1 Declined by ada (1/0/1)\nada: answer n1 Declined by ada won",
    );
    check(world.presence("ada", Available), "ada: presence available\nada: show n2 500");
    assert_eq!(world.desk("ada"), "n2 | n3");
}

#[test]
fn presence_and_groups_are_kept_across_disconnects_and_restarts() {
    let mut world = World::new();
    world.provider("bot");
    world.agent_with("ada", Some(&["g"]), Some(Away));
    world.restart();
    check(world.agent("ada"), "ada: welcome presence=away groups=g");
    check(world.presence("ada", Available), "ada: presence available");
    world.leave("ada");
    check(world.agent_in("ada", &[]), "ada: welcome presence=available");
    world.leave("ada");
    check(world.agent("ada"), "ada: welcome presence=available");
}

#[test]
fn when_groups_change_what_is_displayed_stays_and_what_waits_is_chosen_anew() {
    let mut world = World::with_limits(|limits| (limits.display_limit, limits.queue_limit) = (1, 1));
    world.provider("bot");
    world.agent_in("ada", &["g"]);
    for number in 1..=2 {
        world.notify("bot", raise(number).groups(&["g"]));
    }
    world.notify("bot", raise(3).groups(&["h"]));
    assert_eq!(world.desk("ada"), "n1 | n2");
    check(world.agent_in("ada#2", &["h"]), "ada#2: welcome presence=available groups=h desk=n1@120000");
    assert_eq!(world.desk("ada"), "n1 | n3");
    // The same groups in another order are no change; a hello that names none keeps them.
    world.agent_in("ada#3", &["h"]);
    world.agent("ada#4");
    assert_eq!(world.desk("ada"), "n1 | n3");
    // What is displayed can be answered though the agent has left the group.
    world.reject("ada", 1);
    assert_eq!(world.desk("ada"), "n3 |");
    check(world.notify("bot", raise(4).groups(&["g"])), "bot: ack n4\nlog: full /g\nbot: n4 QueueFull (0/0/0)");
    // What a new group brings is displayed to the old tabs; the new one finds it in its welcome.
    world.reject("ada", 3);
    check(
        world.agent_in("ada#5", &["g", "h"]),
        "ada#5: welcome presence=available groups=g,h desk=n2@120000
         ada: show n2 120000
         ada#2: show n2 120000
         ada#3: show n2 120000
         ada#4: show n2 120000",
    );
}

#[test]
fn groups_of_who_is_gone_count_nobody_in() {
    let mut world = World::with_limits(|limits| limits.queue_limit = 1);
    world.provider("bot");
    world.agent_in("ada", &["g"]);
    world.leave("ada");
    check(world.notify("bot", raise(1).groups(&["g"])), "bot: ack n1");
    check(world.notify("bot", raise(2).groups(&["g"])), "bot: ack n2\nlog: full /g\nbot: n2 QueueFull (0/0/0)");
    check(world.agent("ada"), "ada: welcome presence=available groups=g desk=n1@120000");
}

#[test]
fn who_is_forgotten_and_comes_back_is_not_offered_again_what_they_rejected() {
    let mut world = World::with_limits(|limits| limits.remembered_agents = 0);
    world.provider("bot");
    world.agent("ada");
    world.agent("bob");
    world.notify("bot", raise(1).first_accept().token("t"));
    world.reject("ada", 1);
    world.leave("ada");
    world.leave("bob");
    check(world.agent("ada"), "ada: welcome presence=available");
    check(world.agent("bob"), "bob: welcome presence=available desk=n1@120000");
    world.leave("ada");
    check(world.cancel("bot", "t"), "bob: close n1 Cancelled\nbot: n1 Cancelled (2/0/1)\nbot: cancel t = n1 Cancelled");
    let (_, workspace) = world.core.all_workspaces().next().expect("bob's workspace");
    assert_eq!(workspace.agents.iter().count(), 1, "ada is forgotten altogether");
}

#[test]
fn agents_that_were_only_named_leave_nothing_behind() {
    let mut world = World::new();
    world.provider("bot");
    world.notify("bot", raise(1));
    for number in 2..100 {
        let name = format!("nobody-{number}");
        world.notify("bot", raise(number).agents(&[&name]).token("t"));
        world.cancel("bot", "t");
    }
    let (_, workspace) = world.core.all_workspaces().next().expect("the bot's workspace");
    assert!(workspace.agents.is_empty());
}

/// Each connection joins once. A hub that sends a hello twice must not change the agent, nor count a second connection.
#[test]
fn a_second_join_of_one_connection_is_ignored() {
    let mut world = World::new();
    world.agent_in("ada", &["day"]);
    world.provider("bot");
    let stats = world.core.stats("default");
    let joiners = [
        Joiner::Agent { id: "ada".into(), groups: Some(vec!["night".into()]), presence: Some(Away) },
        Joiner::Agent { id: "bob".into(), groups: None, presence: None },
        Joiner::Provider { id: "bot".into(), resume: Resume::All },
        Joiner::Observer,
    ];
    for client in joiners {
        for connection in [1, 2] {
            check(world.apply(vec![Input::Join { connection, client: client.clone() }]), "");
        }
    }
    assert_eq!(world.core.stats("default"), stats);
    assert_eq!(world.core.totals().workspaces, 1, "the workspace of the second join does not exist");
    check(world.notify("bot", raise(1).groups(&["day"])), "bot: ack n1\nada: show n1 120000");
}

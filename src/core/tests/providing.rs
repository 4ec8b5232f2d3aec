//! Providers: idempotence, cancelling, refusals, resume and what is missed; observers.

use super::world::{World, check, raise};
use crate::entry::{RenderError, Resume};
use crate::ids::{Millis, Position};

fn bot_and_ada() -> World {
    let mut world = World::new();
    world.provider("bot");
    world.agent("ada");
    world
}

#[test]
fn a_result_goes_to_all_connections_of_its_provider_and_other_replies_to_the_one_that_asked() {
    let mut world = bot_and_ada();
    world.provider("bot#2");
    world.provider("other");
    check(world.notify("bot", raise(1).token("t")), "bot: ack n1\nada: show n1 120000");
    check(
        world.cancel("bot#2", "t"),
        "ada: close n1 Cancelled
         bot: n1 Cancelled (1/0/0)
         bot#2: n1 Cancelled (1/0/0)
         bot#2: cancel t = n1 Cancelled",
    );
}

#[test]
fn a_providers_disconnecting_does_nothing() {
    let mut world = bot_and_ada();
    world.notify("bot", raise(1).id("a"));
    check(world.leave("bot"), "");
    check(world.provider("bot"), "bot: welcome open=n1");
    world.leave("bot");
    check(
        world.accept("ada", 1),
        "ada: close n1 Accepted by ada
         ada: session 00000000-0000-0000-0000-000000000001(n1)
         ada: answer n1 Accepted by ada won",
    );
    check(world.provider("bot"), "bot: welcome");
}

#[test]
fn a_provider_is_told_what_became_of_its_notification_and_no_other_is() {
    let mut world = bot_and_ada();
    world.provider("other");
    world.notify("bot", raise(1).id("a"));
    world.notify("bot", raise(2));
    check(world.recall("bot", 1), "bot: [a] ack n1 again");
    check(world.recall("bot", 2), "bot: ack n2 again");
    check(world.recall("other", 1), "other: refused NotificationUnknownToProvider");
    check(world.recall("bot", 3), "bot: refused NotificationUnknownToProvider");
    world.reject("ada", 1);
    check(world.recall("bot", 1), "bot: [a] ack n1 again\nbot: again n1 Declined by ada (1/0/1)");
    check(world.recall("other", 1), "other: refused NotificationUnknownToProvider");
    world.wait(600_000);
    check(world.recall("bot", 1), "bot: refused NotificationUnknownToProvider");
}

/// The hub mints the ids, so this happens only if a hub writes one twice. The first notification must not be replaced.
#[test]
fn a_notify_with_a_known_notification_id_is_refused() {
    let mut world = bot_and_ada();
    world.notify("bot", raise(1).id("a"));
    check(world.notify("bot", raise(1).id("b")), "bot: [b] refused IdTaken");
    world.provider("other");
    check(world.notify("other", raise(1)), "other: refused IdTaken");
    world.reject("ada", 1);
    // Its result is retained, so the id is still known.
    check(world.notify("bot", raise(1).id("c")), "bot: [c] refused IdTaken");
    check(world.notify("bot", raise(1).id("a")), "bot: [a] ack n1 again\nbot: again n1 Declined by ada (1/0/1)");
}

#[test]
fn the_same_id_saying_the_same_is_one_notification() {
    let mut world = bot_and_ada();
    world.notify("bot", raise(1).id("a").says(5));
    world.provider("bot#2");
    check(world.notify("bot#2", raise(2).id("a").says(5)), "bot#2: [a] ack n1 again");
    // Whatever has become of the template since.
    let gone = RenderError::UnknownTemplate { detail: "gone".into() };
    check(world.notify("bot", raise(3).id("a").says(5).fault(gone)), "bot: [a] ack n1 again");
    check(world.notify("bot", raise(4).id("a").says(6)), "bot: [a] refused IdTaken");
    world.reject("ada", 1);
    check(
        world.notify("bot#2", raise(5).id("a").says(5)),
        "bot#2: [a] ack n1 again\nbot#2: again n1 Declined by ada (1/0/1)",
    );
    check(world.notify("bot", raise(6).id("a").says(6)), "bot: [a] refused IdTaken");
    // Another provider's ids are its own.
    world.provider("other");
    check(world.notify("other", raise(7).id("a").says(6)), "other: [a] ack n7\nada: show n7 120000");
}

#[test]
fn an_id_answered_with_an_error_is_free_again() {
    let mut world = bot_and_ada();
    let unknown = RenderError::UnknownTemplate { detail: "x".into() };
    check(world.notify("bot", raise(1).id("a").fault(unknown)), "bot: [a] refused UnknownTemplate { detail: \"x\" }");
    let unresolved = RenderError::Unresolved { detail: "x".into() };
    check(world.notify("bot", raise(1).id("a").fault(unresolved)), "bot: [a] refused Unresolved { detail: \"x\" }");
    let long = RenderError::TooLong { detail: "x".into() };
    check(world.notify("bot", raise(1).id("a").fault(long)), "bot: [a] refused TooLong { detail: \"x\" }");
    check(world.notify("bot", raise(2).id("a").says(9)), "bot: [a] ack n2\nada: show n2 120000");
}

#[test]
fn a_token_stands_for_one_open_notification_of_its_provider() {
    let mut world = bot_and_ada();
    world.provider("other");
    world.notify("bot", raise(1).token("t"));
    check(world.notify("bot", raise(2).token("t")), "bot: refused TokenTaken");
    check(world.notify("other", raise(3).token("t")), "other: ack n3\nada: show n3 120000");
    world.cancel("bot", "t");
    check(world.notify("bot", raise(4).token("t")), "bot: ack n4\nada: show n4 120000");
    world.accept("ada", 4);
    // Of several that bore it, the one settled last.
    check(world.cancel("bot", "t"), "bot: cancel t = n4 Accepted");
    check(world.cancel("bot", "u"), "bot: refused TokenNotFound");
    world.provider("third");
    check(world.cancel("third", "t"), "third: refused TokenNotFound");
}

#[test]
fn of_several_that_bore_the_token_the_open_one_is_cancelled() {
    let mut world = bot_and_ada();
    world.notify("bot", raise(1).token("t"));
    world.reject("ada", 1);
    world.notify("bot", raise(2).token("t"));
    check(world.cancel("bot", "t"), "ada: close n2 Cancelled\nbot: n2 Cancelled (1/0/0)\nbot: cancel t = n2 Cancelled");
}

#[test]
fn a_session_belongs_to_the_provider_whose_notification_or_session_bore_it_first() {
    let mut world = bot_and_ada();
    world.provider("other");
    world.notify("bot", raise(1).session("s").token("t"));
    check(world.notify("other", raise(2).session("s")), "other: refused SessionOwnedByAnother");
    world.cancel("bot", "t");
    check(world.notify("other", raise(3).session("s")), "other: ack n3\nada: show n3 120000");
    check(world.notify("bot", raise(4).session("s")), "bot: refused SessionOwnedByAnother");
    world.accept("ada", 3);
    check(world.notify("bot", raise(5).session("s")), "bot: refused SessionOwnedByAnother");
    check(world.end_session("bot", "s"), "bot: refused SessionOwnedByAnother");
    world.end_session("other", "s");
    check(world.notify("bot", raise(6).session("s")), "bot: ack n6\nada: show n6 120000");
    // The name is bot's now: what it was before is over, for either of them.
    check(world.end_session("other", "s"), "other: refused SessionOwnedByAnother");
    check(world.end_session("bot", "s"), "bot: refused SessionNotFound");
}

#[test]
fn duplicates_come_before_template_errors_these_before_tokens_and_owners_and_counts() {
    let mut world = World::with_limits(|limits| limits.open_notifications = 2);
    world.provider("bot");
    world.provider("other");
    world.notify("other", raise(9).session("s"));
    world.notify("bot", raise(1).id("a").token("t"));
    let fault = || RenderError::UnknownTemplate { detail: "x".into() };
    check(world.notify("bot", raise(1).id("a").token("t").fault(fault())), "bot: [a] ack n1 again");
    check(
        world.notify("bot", raise(2).token("t").session("s").fault(fault())),
        "bot: refused UnknownTemplate { detail: \"x\" }",
    );
    check(world.notify("bot", raise(2).token("t").session("s")), "bot: refused TokenTaken");
    check(world.notify("bot", raise(2).session("s")), "bot: refused SessionOwnedByAnother");
    check(world.notify("bot", raise(2)), "bot: refused OpenNotifications { limit: 2 }");
    world.cancel("bot", "t");
    check(world.notify("bot", raise(2)), "bot: ack n2");
}

#[test]
fn resuming_tells_what_was_settled_after_the_position() {
    let mut world = bot_and_ada();
    world.provider("other");
    for number in 1..=3 {
        world.notify("bot", raise(number));
        world.notify("other", raise(number + 10));
        world.reject("ada", number);
        world.reject("ada", number + 10);
    }
    world.notify("bot", raise(4));
    world.leave("bot");
    // bot's are numbered 1, 3 and 5.
    let resume = world.position(3);
    check(world.provider_from("bot", resume), "bot: welcome open=n4\nbot: again n3 Declined by ada (1/0/1)");
    world.leave("bot");
    let resume = world.position(5);
    check(world.provider_from("bot", resume), "bot: welcome open=n4");
    check(
        world.provider_from("bot#2", Resume::All),
        "bot#2: welcome open=n4
         bot#2: again n1 Declined by ada (1/0/1)
         bot#2: again n2 Declined by ada (1/0/1)
         bot#2: again n3 Declined by ada (1/0/1)",
    );
}

#[test]
fn a_position_that_is_none_of_this_hub_misses_and_gets_all_that_is_retained() {
    let mut world = bot_and_ada();
    world.notify("bot", raise(1));
    world.reject("ada", 1);
    world.leave("bot");
    let foreign = [
        Resume::After(None),
        Resume::After(Some(Position { epoch: 99, settled: 0 })),
        Resume::After(Some(Position { epoch: 7, settled: 2 })),
    ];
    for resume in foreign {
        check(world.provider_from("bot", resume), "bot: welcome missed=true\nbot: again n1 Declined by ada (1/0/1)");
        world.leave("bot");
    }
}

#[test]
fn a_provider_is_told_when_it_was_away_for_longer_than_results_are_kept() {
    let mut world = World::with_limits(|limits| limits.retention = Millis(10_000));
    world.provider("bot");
    world.agent("ada");
    for number in 1..=2 {
        world.notify("bot", raise(number));
        world.reject("ada", number);
        world.wait(6_000);
    }
    world.leave("bot");
    // The first is forgotten, the second is not.
    let (before, first, second) = (world.position(0), world.position(1), world.position(2));
    check(world.provider_from("bot", before), "bot: welcome missed=true\nbot: again n2 Declined by ada (1/0/1)");
    check(world.provider_from("bot#2", first), "bot#2: welcome\nbot#2: again n2 Declined by ada (1/0/1)");
    check(world.provider_from("bot#3", Resume::All), "bot#3: welcome\nbot#3: again n2 Declined by ada (1/0/1)");
    for client in ["bot", "bot#2", "bot#3"] {
        world.leave(client);
    }
    world.wait(60_000);
    check(world.provider_from("bot", first), "bot: welcome missed=true");
    world.leave("bot");
    check(world.provider_from("bot", second), "bot: welcome");
    check(world.provider_from("other", before), "other: welcome");
}

#[test]
fn observers_are_told_what_happens() {
    let mut world = World::new();
    check(world.observer("eye"), "eye: welcome");
    check(world.provider("bot"), "bot: welcome\neye: event ProviderJoined bot");
    check(world.agent("ada"), "ada: welcome presence=available\neye: event AgentJoined ada available");
    check(world.agent("ada#2"), "ada#2: welcome presence=available");
    check(
        world.notify("bot", raise(1).session("s").token("t")),
        "bot: ack n1
         eye: event Notified n1 bot s
         eye: event Displayed n1 bot s
         ada: show n1 120000
         ada#2: show n1 120000",
    );
    check(
        world.accept("ada", 1),
        "ada: close n1 Accepted by ada
         ada#2: close n1 Accepted by ada
         ada: session s(n1)
         ada#2: session s(n1)
         bot: n1 Accepted by ada (1/0/0)
         eye: event Settled n1 ada bot s Accepted
         ada: answer n1 Accepted by ada won",
    );
    world.notify("bot", raise(2).session("r").token("t"));
    let lines = world.cancel("bot", "t");
    assert!(lines.contains(&"eye: event Cancelled n2 bot r Cancelled".to_owned()), "{lines:?}");
    let lines = world.mark("bot", "s", "late");
    assert!(lines.contains(&"eye: event Kpi ada s breached=true".to_owned()), "{lines:?}");
    let away = world.presence("ada", crate::entry::Presence::Away);
    assert!(away.contains(&"eye: event Presence ada away".to_owned()), "{away:?}");
    check(world.leave("ada"), "");
    check(world.leave("ada#2"), "eye: event AgentLeft ada");
    check(world.leave("bot"), "eye: event ProviderLeft bot");
    let stats = world.core.stats("default").expect("the observer's workspace");
    assert_eq!((stats.agents, stats.providers, stats.observers, stats.open, stats.waiting), (0, 0, 1, 0, 0));
    assert_eq!(stats.outcomes, [1, 0, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn a_result_bears_the_first_calls_correlation_id() {
    let mut world = bot_and_ada();
    world.notify("bot", raise(1).id("a"));
    let first = format!("correlation_id: \"c{}\"", world.records.len() - 1);
    world.reject("ada", 1);
    let settled = world.effects.last().expect("a record").concat();
    assert!(settled.contains(&first), "{settled}");
    world.notify("bot", raise(2).id("a").says(1));
    let again = world.effects.last().expect("a record").concat();
    assert!(again.contains("SettledAgain") && again.contains(&first), "{again}");
}
